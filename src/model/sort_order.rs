//! Which end of a list comes first.

super::vocabulary! {
    /// Which end of a list of days comes first.
    SortOrder, "sort order" {
        /// The oldest.
        Ascending = "asc",
        /// The newest.
        Descending = "desc",
    }
}
