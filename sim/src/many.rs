//! Many plans on several threads, with results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Does `work` for every number below `count` on `jobs` threads, and hands what comes out to `take` in the order
/// of the numbers, whichever thread is faster. Once `stop` is true no new work begins. Returns how many came out.
pub fn in_order<T: Send>(
    count: usize,
    jobs: usize,
    stop: &AtomicBool,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T),
) -> usize {
    let next = AtomicUsize::new(0);
    let mut taken = 0;
    std::thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        for _ in 0..jobs.clamp(1, count.max(1)) {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count || done.send((n, work(n))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        for (n, result) in results {
            early.insert(n, result);
            while let Some(result) = early.remove(&taken) {
                take(taken, result);
                taken += 1;
            }
        }
    });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for jobs in [0, 1, 3, 50] {
            let mut taken = Vec::new();
            let stop = AtomicBool::new(false);
            let work = |n: usize| {
                std::thread::sleep(std::time::Duration::from_micros((n as u64 * 37) % 300));
                n * n
            };
            assert_eq!(in_order(40, jobs, &stop, work, |n, result| taken.push((n, result))), 40);
            assert_eq!(taken, (0..40).map(|n| (n, n * n)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_begun_before_the_stop_comes_out_and_nothing_after() {
        let stop = AtomicBool::new(false);
        let mut taken = Vec::new();
        let work = |n: usize| {
            stop.store(n >= 5, Ordering::Relaxed);
            n
        };
        let count = in_order(1000, 1, &stop, work, |_, n| taken.push(n));
        assert_eq!((count, taken), (6, vec![0, 1, 2, 3, 4, 5]));
    }
}
