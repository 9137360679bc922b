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

/// A connection that fails below its lowest rate.
#[derive(Debug)]
pub struct Paced<T> {
    inner: T,
    slowest: u64,
    window: Duration,
    /// Bytes in this window, and the time spent on waiting for them.
    bytes: u64,
    waited: Duration,
}

impl<T: Transport> Connector<T> for Pace {
    type Out = Paced<T>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<T>) -> Result<Option<Self::Out>, Error> {
        let Self { slowest, window } = *self;
        Ok(chained.map(|inner| Paced { inner, slowest, window, bytes: 0, waited: Duration::ZERO }))
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
        self.bytes += self.inner.buffers().input().len().saturating_sub(before) as u64;
        self.waited += started.elapsed();
        if self.waited >= self.window {
            if self.bytes < self.slowest {
                let (rate, over) = (self.slowest, self.window.as_secs_f64());
                let slow = format!("sends less than {rate} bytes in {over} s");
                return Err(io::Error::new(io::ErrorKind::TimedOut, slow).into());
            }
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
        Ok(outcome)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
