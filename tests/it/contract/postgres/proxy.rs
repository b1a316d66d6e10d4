//! A network between Roster and PostgreSQL that is slow, or breaks at a chosen moment. Used by tests of
//! PostgreSQL and Keycloak.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Forwards connections to a port of this machine.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    /// Delay of each answer, in milliseconds.
    delay: AtomicU64,
    /// Messages of clients that still pass; then all connections are cut, and no new one is made.
    left: AtomicU64,
    counts: AtomicBool,
    cut: watch::Sender<bool>,
}

impl Proxy {
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            delay: AtomicU64::new(0),
            left: AtomicU64::new(0),
            counts: AtomicBool::new(false),
            cut: watch::Sender::new(false),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = shared.clone();
                if *state.cut.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    let mut cut = state.cut.subscribe();
                    tokio::select! {
                        () = forward(from_client, to_server, &state, true) => {}
                        () = forward(from_server, to_client, &state, false) => {}
                        _ = cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port, state }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn delay(&self, delay: Duration) {
        self.state.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Cuts everything after so many more messages.
    pub fn cut_after(&self, messages: u64) {
        self.state.left.store(messages, Ordering::SeqCst);
        self.state.counts.store(true, Ordering::SeqCst);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.state.counts.store(false, Ordering::SeqCst);
        self.state.cut.send_replace(false);
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, of_client: bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if of_client && state.counts.load(Ordering::SeqCst) {
            let passes =
                state.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if !passes {
                state.cut.send_replace(true);
                return;
            }
        }
        let delay = state.delay.load(Ordering::Relaxed);
        if !of_client && delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
