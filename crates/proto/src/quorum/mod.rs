//! What servers say to each other: votes on the election port, packets on the quorum port, and the text of the
//! ensemble's configuration.

pub mod address;
pub mod config;
pub mod election;
pub mod hello;
pub mod joint;
pub mod member;
pub mod packet;
pub mod payload;

pub use address::HostPort;
pub use config::{ConfigBuilder, ConfigTextError, ConfigVersion, Hierarchy, QuorumConfig};
pub use election::{Notification, PeerState, Vote};
pub use hello::Hello;
pub use joint::Joint;
pub use member::{ConfigProblem, Member, MemberAddress, Role};
pub use packet::{PacketError, PacketType, QuorumPacket};
pub use payload::{
    AckEpoch, DesignatedLeader, ForwardedRequest, LeaderInfo, LearnerInfo, QuorumAuth, QuorumAuthStatus,
    Revalidate, Revalidated, Touch,
};
