use std::io::ErrorKind;

use tokio::io::AsyncBufReadExt;

use super::*;

/// Answers each line with the same line.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            connections.spawn(async move {
                let (read, mut write) = socket.split();
                let mut lines = tokio::io::BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let _ = write.write_all(format!("{line}\n").as_bytes()).await;
                }
            });
        }
    });
    address
}

struct End {
    socket: tokio::io::BufReader<TcpStream>,
}

impl End {
    async fn connect(proxy: &Proxy) -> Self {
        let socket = TcpStream::connect(proxy.address()).await.expect("it accepts");
        Self { socket: tokio::io::BufReader::new(socket) }
    }

    async fn say(&mut self, line: &str) {
        self.socket.write_all(format!("{line}\n").as_bytes()).await.expect("it is sent");
    }

    /// The next line; an empty one at the end.
    async fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let heard = tokio::time::timeout(crate::PATIENCE, self.socket.read_line(&mut line));
        heard.await.expect("an answer in time")?;
        Ok(line.trim_end().to_owned())
    }

    async fn hears_nothing(&mut self) {
        let mut line = String::new();
        let moment = Duration::from_millis(100);
        let heard = tokio::time::timeout(moment, self.socket.read_line(&mut line)).await;
        assert!(heard.is_err(), "{heard:?} {line}");
    }

    async fn is_reset(&mut self) {
        let heard = self.hear().await;
        assert_eq!(heard.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }
}

async fn connected() -> (Proxy, End) {
    let proxy = Proxy::start(echo().await).await;
    let mut end = End::connect(&proxy).await;
    end.say("hello").await;
    assert_eq!(end.hear().await.expect("an answer"), "hello");
    (proxy, end)
}

#[tokio::test]
async fn an_end_that_closes_is_told_to_the_other() {
    let (_proxy, mut end) = connected().await;
    end.say("last").await;
    end.socket.get_mut().shutdown().await.expect("it closes");
    assert_eq!(end.hear().await.expect("an answer"), "last");
    assert_eq!(end.hear().await.expect("an orderly end"), "");
}

#[tokio::test]
async fn cut_resets_old_and_new_connections() {
    let (proxy, mut end) = connected().await;
    proxy.set(Mode::Cut);
    end.is_reset().await;
    End::connect(&proxy).await.is_reset().await;
    proxy.set(Mode::Pass);
    let mut end = End::connect(&proxy).await;
    end.say("again").await;
    assert_eq!(end.hear().await.expect("an answer"), "again");
}

#[tokio::test]
async fn a_black_hole_keeps_connections_open_and_swallows_bytes() {
    let (proxy, mut old) = connected().await;
    let mut idle = End::connect(&proxy).await;
    idle.say("idle").await;
    assert_eq!(idle.hear().await.expect("an answer"), "idle");
    proxy.set(Mode::BlackHole);
    let mut new = End::connect(&proxy).await;
    old.say("lost").await;
    new.say("late").await;
    old.hears_nothing().await;
    new.hears_nothing().await;
    proxy.set(Mode::Pass);
    old.is_reset().await;
    assert_eq!(new.hear().await.expect("an answer"), "late", "it was never connected before");
    idle.say("still here").await;
    assert_eq!(idle.hear().await.expect("an answer"), "still here", "it lost nothing");
}

#[tokio::test]
async fn what_is_stalled_arrives_late() {
    let (proxy, mut end) = connected().await;
    proxy.set(Mode::Stall);
    end.say("patience").await;
    end.hears_nothing().await;
    proxy.set(Mode::Pass);
    assert_eq!(end.hear().await.expect("an answer"), "patience");
}

#[tokio::test]
async fn each_direction_has_its_delay() {
    let (proxy, mut end) = connected().await;
    let (to_target, to_client) = (Duration::from_millis(400), Duration::from_millis(200));
    proxy.set(Mode::Delay { to_target, to_client });
    let asked = Instant::now();
    for line in ["one", "two"] {
        end.say(line).await;
    }
    for line in ["one", "two"] {
        assert_eq!(end.hear().await.expect("an answer"), line);
    }
    let took = asked.elapsed();
    assert!(took >= to_target + to_client, "{took:?}");
    assert!(took < (to_target + to_client) * 2, "both were on their way at once: {took:?}");
}

#[tokio::test]
async fn answers_are_lost_after_their_requests_went_through() {
    let (proxy, mut end) = connected().await;
    proxy.set(Mode::LoseAnswers { to: "COMMIT" });
    end.say("BEGIN").await;
    assert_eq!(end.hear().await.expect("an answer"), "BEGIN");
    end.say("COMMIT").await;
    end.is_reset().await;
    let mut end = End::connect(&proxy).await;
    proxy.set(Mode::LoseAnswers { to: "" });
    end.say("anything").await;
    end.is_reset().await;
}
