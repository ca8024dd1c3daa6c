//! Buffers for chunks, with a bound on how many bytes are out at once.
//!
//! Whoever moves chunks takes a buffer first and waits while the bound is reached: that is the memory limit of a transfer
//! and its back-pressure at the same time. Large buffers are used again, since fresh ones cost a page fault each 4 KiB.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const UNIT: usize = 1 << 20;

/// A pool of buffers, cheap to clone.
#[derive(Debug, Clone)]
pub struct Buffers {
    units: Arc<Semaphore>,
    total: usize,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// A pool of at most this many MiB. A buffer larger than all of it waits until it has the pool alone.
    #[must_use]
    pub fn new(mib: usize) -> Self {
        let total = mib.max(1);
        Self { units: Arc::new(Semaphore::new(total)), total, free: Arc::new(Mutex::new(Vec::new())) }
    }

    fn cost(&self, len: usize) -> u32 {
        u32::try_from(len.div_ceil(UNIT).clamp(1, self.total)).unwrap_or(u32::MAX)
    }

    /// An empty buffer with room for `len` bytes, as soon as the pool has it. Waiters are served in order.
    pub async fn take(&self, len: usize) -> Option<Buffer> {
        // The semaphore is never closed; `None` keeps that from being a panic.
        let permit = Arc::clone(&self.units).acquire_many_owned(self.cost(len)).await.ok()?;
        Some(self.fill(len, permit))
    }

    /// An empty buffer with room for `len` bytes, if the pool has it now.
    #[must_use]
    pub fn try_take(&self, len: usize) -> Option<Buffer> {
        let permit = Arc::clone(&self.units).try_acquire_many_owned(self.cost(len)).ok()?;
        Some(self.fill(len, permit))
    }

    fn fill(&self, len: usize, permit: OwnedSemaphorePermit) -> Buffer {
        let used = if len > UNIT { self.lock().pop() } else { None };
        let mut bytes = used.unwrap_or_default();
        bytes.reserve_exact(len);
        Buffer { bytes, free: Arc::clone(&self.free), _permit: permit }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the memory of unused buffers back.
    pub fn trim(&self) {
        *self.lock() = Vec::new();
    }
}

/// A buffer that goes back to its pool when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Buffer {
    /// The bytes, to be written to.
    pub const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// As immutable bytes; the buffer goes back when the last part of them is dropped.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.capacity() > UNIT {
            let mut bytes = core::mem::take(&mut self.bytes);
            bytes.clear();
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bound_holds_and_memory_is_used_again() {
        let pool = Buffers::new(8);
        let mut first = pool.take(4 * UNIT).await.unwrap();
        first.bytes().extend_from_slice(&[7; 100]);
        let place = first.as_ref().as_ptr();
        let second = pool.take(4 * UNIT).await.unwrap();
        assert!(pool.try_take(1).is_none());
        let part = first.freeze().slice(10..20);
        assert!(pool.try_take(1).is_none(), "a slice keeps the buffer out");
        drop(part);
        let third = pool.try_take(4 * UNIT).unwrap();
        assert_eq!(third.as_ref().len(), 0);
        assert_eq!(third.bytes.as_ptr(), place);
        drop(second);
        assert!(pool.try_take(100 * UNIT).is_none(), "a giant waits for the whole pool");
    }
}
