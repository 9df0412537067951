//! Plain UDP in tokio: each end sleeps on a thread of its own until something arrives, and the far one sends it back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

use crate::pair::{DATAGRAM, End, Pair, socket};

/// A socket here, and one on a thread that answers.
pub struct RawTokio {
    runtime: Runtime,
    near: UdpSocket,
    far: SocketAddr,
    stop: Arc<AtomicBool>,
    echo: Option<JoinHandle<()>>,
}

impl RawTokio {
    /// Starts the thread.
    pub fn new() -> Self {
        let runtime = runtime();
        let near = {
            let _inside = runtime.enter();
            UdpSocket::from_std(socket().expect("a socket")).expect("a socket")
        };
        let far = socket().expect("a socket");
        let address = far.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let echo = std::thread::spawn(move || echo(far, &stopped));
        Self { runtime, near, far: address, stop, echo: Some(echo) }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().build().expect("a runtime")
}

fn echo(socket: std::net::UdpSocket, stop: &AtomicBool) {
    runtime().block_on(async {
        let socket = UdpSocket::from_std(socket).expect("a socket");
        let mut buffer = [0; DATAGRAM];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            socket.send_to(&buffer[..len], from).await.expect("room to send");
        }
    });
}

impl Pair for RawTokio {
    fn send(&mut self, from: End, message: &[u8]) {
        if from == End::Near {
            self.runtime.block_on(self.near.send_to(message, self.far)).expect("room to send");
        }
    }

    fn flush(&mut self, _: End) {}

    fn receive(&mut self, end: End, expected: usize, sink: &mut dyn FnMut(&[u8])) {
        if end == End::Near {
            let mut buffer = [0; DATAGRAM];
            for _ in 0..expected {
                let (len, _) = self.runtime.block_on(self.near.recv_from(&mut buffer)).expect("a datagram");
                sink(&buffer[..len]);
            }
        }
    }
}

impl Drop for RawTokio {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.send(End::Near, b"the last one");
        if let Some(echo) = self.echo.take() {
            let _ = echo.join();
        }
    }
}
