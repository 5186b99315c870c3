//! Addresses that are a member's own as long as the ensemble lives, whether or not the member runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// An address at which nobody else can listen, and from which no connection of this machine starts.
///
/// A port that was merely found free is soon anybody's: the kernel gives it to the next socket that asks for none in
/// particular, and a member that is down could not come back. So a socket stays bound to it, without listening. That
/// keeps the kernel from handing it out, and the member, which like this socket has `SO_REUSEADDR`, may listen there.
pub(crate) struct Reserved {
    address: SocketAddr,
    _bound: Socket,
}

impl Reserved {
    /// Reserves a port of this machine's loopback address; 0 stands for any that is free.
    pub(crate) fn new(port: u16) -> io::Result<Self> {
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        bound.set_reuse_address(true)?;
        bound.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        let address = bound.local_addr()?.as_socket().expect("an IPv4 socket is bound to an IPv4 address");
        Ok(Self { address, _bound: bound })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Reserved;

    #[test]
    fn a_member_can_listen_where_it_is_reserved_again_and_again() {
        let reserved = Reserved::new(0).expect("a port");
        for _ in 0..2 {
            // As the server does it: the standard library sets SO_REUSEADDR, too.
            TcpListener::bind(reserved.address()).expect("it is reserved for us");
        }
    }

    #[test]
    fn where_somebody_listens_nothing_is_reserved() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("its address").port();
        assert!(Reserved::new(port).is_err());
    }
}
