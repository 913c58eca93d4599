//! A web site with the logs of a folder: just enough HTTP, and ways to break off, to lie and to look closely at who asks.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The token for entries.
pub const TOKEN: &str = "auditor-7";

/// What a site does; a test changes it while it runs.
#[derive(Default)]
pub struct Behaviour {
    /// The folder.
    pub root: PathBuf,
    /// The halves that it says there are.
    pub halves: Vec<String>,
    /// Answers for paths that are not what stands in the folder; none for what it does not have.
    pub instead: HashMap<String, Option<Vec<u8>>>,
    /// After so many answers connections are closed without one.
    pub answers: Option<u64>,
    /// What was asked for and answered.
    pub asked: Vec<String>,
    /// Done once this path was asked for, before it is answered.
    pub then: Option<(String, Box<dyn FnOnce() + Send>)>,
    stopped: bool,
}

pub struct Site {
    pub url: String,
    pub behaviour: Arc<Mutex<Behaviour>>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    pub fn of(root: &Path, halves: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let halves = halves.iter().map(|&half| half.to_owned()).collect();
        let behaviour = Behaviour { root: root.to_owned(), halves, ..Behaviour::default() };
        let behaviour = Arc::new(Mutex::new(behaviour));
        let seen = Arc::clone(&behaviour);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.lock().unwrap().stopped {
                    return;
                }
                answer(&stream.unwrap(), &seen);
            }
        });
        Self { url, behaviour, thread: Some(thread) }
    }

    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    /// How often paths with this in them were asked for since the last time.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.behaviour.lock().unwrap().asked)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.change(|behaviour| behaviour.stopped = true);
        // One more connection, so that it looks.
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(stream: &TcpStream, behaviour: &Mutex<Behaviour>) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let mut token = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(bearer) = line.to_ascii_lowercase().strip_prefix("authorization: bearer ") {
            token = Some(bearer.to_owned());
        }
    }
    let mut told = behaviour.lock().unwrap();
    if let Some(answers) = &mut told.answers {
        let Some(left) = answers.checked_sub(1) else { return };
        *answers = left;
    }
    if told.then.as_ref().is_some_and(|(at, _)| *at == path) {
        (told.then.take().unwrap().1)();
    }
    let (status, body) = if path == "/logs.json" {
        let node = |party: &str| format!("{{\"party\":\"{party}\",\"log\":\"\",\"halves\":{:?}}}", told.halves);
        let nodes = ["A", "B", "C"].map(node).join(",");
        (200, format!("{{\"deployment\":\"kz-demo\",\"nodes\":[{nodes}],\"witnesses\":[]}}").into_bytes())
    } else if path.contains("/tile/entries/") && token.as_deref() != Some(TOKEN) {
        (401, Vec::new())
    } else {
        let file = match told.instead.get(&path) {
            Some(instead) => instead.clone(),
            None => std::fs::read(told.root.join(path.trim_start_matches('/'))).ok(),
        };
        file.map_or((404, Vec::new()), |bytes| (200, bytes))
    };
    told.asked.push(path);
    drop(told);
    let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    // Who asked may have gone.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}
