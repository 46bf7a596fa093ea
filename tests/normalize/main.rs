//! From the bodies of the fixtures to records, and the laws that hold for every body.

#[cfg(test)]
mod days;
#[cfg(test)]
mod everything;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod nights;
#[cfg(test)]
mod sports;
#[cfg(test)]
mod tolerance;
#[cfg(test)]
mod workouts;
