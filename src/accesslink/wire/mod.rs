//! temp
pub fn check_complete(_: &[u8]) -> Result<(), ()> {
    Ok(())
}
pub mod gpx {
    pub fn check_complete(_: &[u8]) -> Result<(), ()> {
        Ok(())
    }
}
