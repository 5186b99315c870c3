//! Hostile clients, hostile shapes of data and operators' mistakes. Whatever a client does costs it its own
//! connection at most: memory stays bounded, and its neighbours are served all the while.

mod bytes;
mod greed;
mod operators;
mod process;
mod shapes;
mod support;
