//! Why a session ends: one closed set, with what each reason is called and what a client is told of it.

use crate::{
    codec::frame::FrameError,
    policy::{Refusal, Refused, revoke::Struck},
};

/// Why a session or a WebSocket ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Reason {
    ClientClosed,
    AppClosed,
    ClientGone,
    AppGone,
    AppInvalid,
    AppStalled,
    Expired,
    Draining,
    Silent,
    SlowReader,
    TooLarge,
    Malformed,
    Flooded,
    Abandoned,
    MemberGone,
    MalformedPacket,
    Abuse,
    Revoked,
    Killed,
    ConnectTimeout,
    /// Its client has said nothing but heartbeats for too long.
    Idle,
    RouteGone,
    /// The rules of its route look inside sessions now, and nobody has read along from its beginning.
    RulesChanged,
    /// It has lasted as long as any session may.
    LifeOver,
    /// Its client may not be in the namespace that it was put in.
    NamespaceRefused,
    /// Nobody could say whether its token is good.
    TokensUnchecked,
    /// It cut a message into more pieces than one may have.
    TooManyFragments,
}

impl Reason {
    pub const ALL: [Self; 27] = [
        Self::ClientClosed,
        Self::AppClosed,
        Self::ClientGone,
        Self::AppGone,
        Self::AppInvalid,
        Self::AppStalled,
        Self::Expired,
        Self::Draining,
        Self::Silent,
        Self::SlowReader,
        Self::TooLarge,
        Self::Malformed,
        Self::Flooded,
        Self::Abandoned,
        Self::MemberGone,
        Self::MalformedPacket,
        Self::Abuse,
        Self::Revoked,
        Self::Killed,
        Self::ConnectTimeout,
        Self::Idle,
        Self::RouteGone,
        Self::RulesChanged,
        Self::LifeOver,
        Self::NamespaceRefused,
        Self::TokensUnchecked,
        Self::TooManyFragments,
    ];

    /// The stable name, the same in log, metric and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::AppClosed => "app_closed",
            Self::ClientGone => "client_gone",
            Self::AppGone => "app_gone",
            Self::AppInvalid => "app_invalid",
            Self::AppStalled => "app_stalled",
            Self::Expired => "token_expired",
            Self::Draining => "draining",
            Self::Silent => "client_silent",
            Self::SlowReader => "slow_reader",
            Self::TooLarge => "payload_too_large",
            Self::Malformed => "malformed_frames",
            Self::Flooded => "control_flood",
            Self::Abandoned => "abandoned",
            Self::MemberGone => "member_gone",
            Self::MalformedPacket => "packet_malformed",
            Self::Abuse => "abuse",
            Self::Revoked => "revoked",
            Self::Killed => "killed",
            Self::ConnectTimeout => "connect_timeout",
            Self::Idle => "session_idle",
            Self::RouteGone => "route_gone",
            Self::RulesChanged => "rules_changed",
            Self::LifeOver => "session_life",
            Self::NamespaceRefused => "namespace_refused",
            Self::TokensUnchecked => "tokens_unchecked",
            Self::TooManyFragments => "too_many_fragments",
        }
    }

    /// The close code and text a WebSocket client is told when the gate ends it for this reason. Registered codes where
    /// one says it (RFC 6455 section 7.4.1 and the IANA registry), else from the private range.
    pub fn closing(self) -> (u16, &'static str) {
        let code = match self {
            Self::Expired => 4401,
            Self::Revoked | Self::Killed | Self::NamespaceRefused => 4403,
            Self::Abuse => 4429,
            Self::MalformedPacket => 4400,
            Self::Draining | Self::RouteGone | Self::RulesChanged => 1012,
            // Client libraries connect anew after these.
            Self::Silent | Self::Abandoned | Self::Idle | Self::LifeOver | Self::ConnectTimeout => 4408,
            Self::TooLarge => 1009,
            Self::TokensUnchecked => 1013,
            Self::Malformed => 1002,
            Self::Flooded | Self::SlowReader | Self::TooManyFragments => 1008,
            Self::AppGone | Self::AppInvalid | Self::AppStalled | Self::MemberGone => 1014,
            Self::ClientClosed | Self::AppClosed | Self::ClientGone => 1000,
        };
        (code, self.name())
    }

    /// What a request is told whose session has ended so.
    pub fn refused(self) -> Refused {
        let refusal = match self {
            Self::Revoked => Refusal::Revoked,
            // Client libraries start over after this answer.
            _ => Refusal::SessionUnknown,
        };
        Refused::because(refusal, self.name())
    }

    /// What a client's own frames were at fault for.
    pub fn for_client_fault(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge => Self::TooLarge,
            FrameError::TooManyFragments => Self::TooManyFragments,
            _ => Self::Malformed,
        }
    }

    pub(super) fn from_u8(value: u8) -> Self {
        Self::ALL.into_iter().find(|reason| *reason as u8 == value).unwrap_or(Self::AppGone)
    }
}

impl From<Struck> for Reason {
    fn from(struck: Struck) -> Self {
        match struck {
            Struck::Token => Self::Revoked,
            Struck::Session => Self::Killed,
        }
    }
}
