//! What is handed to operators: the release archive, the Debian package, the container image, Kubernetes' manifests and
//! the Helm chart. All of it is made of the binary under test, and run as its users run it.

mod container;
mod dist;
mod kubernetes;
mod package;
