//! The lowest rate of a connection, counted in the bytes on the wire. What a server sends around the bytes of a file, such
//! as chunk extensions, arrives in the reader of the body late or never, so that only the connection can count them.

use std::io;
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Gives every connection its lowest rate.
#[derive(Debug)]
pub struct Pace {
    /// Fewest bytes in a window.
    pub slowest: u64,
    pub window: Duration,
}

/// Bytes over time, window by window.
#[derive(Debug)]
pub struct Rate {
    slowest: u64,
    window: Duration,
    /// Bytes and time in this window.
    bytes: u64,
    time: Duration,
}

impl Rate {
    /// At least `slowest` bytes in each `window`.
    pub fn new(slowest: u64, window: Duration) -> Self {
        Self { slowest, window, bytes: 0, time: Duration::ZERO }
    }

    /// Counts `bytes` that took `time`.
    ///
    /// # Errors
    /// The reason, for people, if a window ends with too few bytes.
    pub fn count(&mut self, bytes: u64, time: Duration) -> Result<(), String> {
        (self.bytes, self.time) = (self.bytes + bytes, self.time + time);
        if self.time < self.window {
            return Ok(());
        }
        if self.bytes < self.slowest {
            return Err(format!("sends less than {} bytes in {} s", self.slowest, self.window.as_secs_f64()));
        }
        (self.bytes, self.time) = (0, Duration::ZERO);
        Ok(())
    }
}

/// A connection that fails below its lowest rate.
#[derive(Debug)]
pub struct Paced<T> {
    inner: T,
    /// Of the time spent on waiting alone.
    rate: Rate,
}

impl<T: Transport> Connector<T> for Pace {
    type Out = Paced<T>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<T>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Paced { inner, rate: Rate::new(self.slowest, self.window) }))
    }
}

impl<T: Transport> Transport for Paced<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let (before, started) = (self.inner.buffers().input().len(), Instant::now());
        let outcome = self.inner.await_input(timeout)?;
        let bytes = self.inner.buffers().input().len().saturating_sub(before) as u64;
        let counted = self.rate.count(bytes, started.elapsed());
        counted.map_err(|slow| io::Error::new(io::ErrorKind::TimedOut, slow))?;
        Ok(outcome)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
