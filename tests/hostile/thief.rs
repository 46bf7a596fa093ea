//! A listener that nobody has a reason to talk to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What the test itself sends, to know that everything before it was taken notice of.
const MARK: &[u8] = b"the test itself";

/// Takes notice of every connection and of every byte.
pub(crate) struct Thief {
    address: SocketAddr,
    loot: Arc<Mutex<Vec<u8>>>,
    connections: mpsc::UnboundedReceiver<()>,
}

impl Thief {
    pub(crate) async fn lurk() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let loot = Arc::new(Mutex::new(Vec::new()));
        let (ended, connections) = mpsc::unbounded_channel();
        let taken = Arc::clone(&loot);
        tokio::spawn(async move {
            // One after the other, so that the mark is the last.
            while let Ok((mut connection, _)) = listener.accept().await {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                let mut piece = [0; 4096];
                while let Ok(length @ 1..) = connection.read(&mut piece).await {
                    taken.lock().unwrap().extend_from_slice(&piece[..length]);
                    let _ = connection.write_all(answer).await;
                }
                let _ = ended.send(());
            }
        });
        Self {
            address,
            loot,
            connections,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nobody has connected, and nobody has said anything.
    pub(crate) async fn assert_empty_handed(mut self) {
        let mut own = TcpStream::connect(self.address).await.unwrap();
        own.write_all(MARK).await.unwrap();
        drop(own);
        self.connections.recv().await.unwrap();
        let loot = self.loot.lock().unwrap();
        assert_eq!(loot.as_slice(), MARK, "{}", String::from_utf8_lossy(&loot));
        assert!(self.connections.is_empty());
    }
}
