//! A link between two nodes that misbehaves: what a firewall, a router that lost its table, a bad line and a pulled cable do to TCP.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
};

/// Bytes that are passed on at once: what a line with this delay makes of a burst.
const PIECE: usize = 16 << 10;
/// What a lost piece takes longer: the least time that kernels wait before they send again.
const AGAIN: Duration = Duration::from_millis(220);

/// How the link is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Passes everything on, each piece after this time; one piece in so many is lost and comes after a retransmission.
    Up { delay: Duration, lost: u64 },
    /// Takes nothing on and breaks what there was.
    Down,
}

/// The number of the last connection that the router has forgotten.
type Forgotten = watch::Receiver<u64>;

/// A forwarder to one address. Dropping it breaks everything.
pub(crate) struct Link {
    pub(crate) at: SocketAddr,
    state: watch::Sender<State>,
    forgotten: watch::Sender<u64>,
    cut: watch::Sender<()>,
    taken: watch::Receiver<u64>,
}

impl Link {
    pub(crate) const GOOD: State = State::Up { delay: Duration::ZERO, lost: 0 };

    /// Passes on what comes to a port of its own.
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (state, states) = watch::channel(Self::GOOD);
        let (forgotten, forgets) = watch::channel(0);
        let (cut, mut cuts) = watch::channel(());
        let (take, taken) = watch::channel(0);
        tokio::spawn(async move {
            let (mut connections, mut number) = (JoinSet::new(), 0);
            loop {
                let accepted = tokio::select! {
                    cut = cuts.changed() => {
                        // Aborting closes the sockets.
                        connections.shutdown().await;
                        if cut.is_err() { return }
                        continue;
                    }
                    accepted = listener.accept() => accepted,
                };
                let (Ok((socket, _)), false) = (accepted, is_down(&states)) else { continue };
                let Ok(onward) = TcpStream::connect(to).await else { continue };
                number += 1;
                let _ = take.send(number);
                let ((a, b), (c, d)) = (socket.into_split(), onward.into_split());
                let (states, forgets) = (states.clone(), forgets.clone());
                connections.spawn(async move {
                    tokio::join!(
                        pump(a, d, number, states.clone(), forgets.clone()),
                        pump(c, b, number, states, forgets),
                    )
                });
            }
        });
        Self { at, state, forgotten, cut, taken }
    }

    /// Breaks what there is, if the link goes down.
    pub(crate) fn set(&self, state: State) {
        let _ = self.state.send(state);
        if state == State::Down {
            self.cut();
        }
    }

    /// Breaks what there is; what comes is passed on.
    pub(crate) fn cut(&self) {
        let _ = self.cut.send(());
    }

    /// Connections until now are black holes: nothing passes and nothing closes. New ones are passed on.
    pub(crate) fn forget(&self) {
        let _ = self.forgotten.send(self.taken());
    }

    /// Connections taken so far.
    pub(crate) fn taken(&self) -> u64 {
        *self.taken.borrow()
    }
}

fn is_down(states: &watch::Receiver<State>) -> bool {
    *states.borrow() == State::Down
}

/// How long the next piece takes.
fn takes(states: &watch::Receiver<State>, piece: u64) -> Duration {
    match *states.borrow() {
        State::Up { delay, lost } if lost > 0 && piece.is_multiple_of(lost) => delay + AGAIN,
        State::Up { delay, .. } => delay,
        State::Down => Duration::ZERO,
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    states: watch::Receiver<State>,
    mut forgets: Forgotten,
) {
    let (mut buffer, mut pieces) = (vec![0; PIECE], 0_u64);
    loop {
        let known = tokio::select! {
            _ = forgets.wait_for(|forgotten| *forgotten >= number) => None,
            read = from.read(&mut buffer) => Some(read.unwrap_or(0)),
        };
        match known {
            None => return std::future::pending().await,
            Some(0) => {
                let _ = to.shutdown().await;
                return;
            }
            Some(n) => {
                pieces += 1;
                tokio::time::sleep(takes(&states, pieces)).await;
                let known = *forgets.borrow() < number;
                if known && to.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}
