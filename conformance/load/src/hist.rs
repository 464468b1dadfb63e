//! Log-linear histogram: 64 buckets per power of two (error under 1.6 %).

use crate::json::Object;

/// A histogram of whole numbers.
#[derive(Clone)]
pub struct Hist {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
    min: u64,
    sum: u128,
}

fn index(value: u64) -> usize {
    if value < 128 {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros() as usize;
    let sub = ((value >> (exponent - 6)) - 64) as usize;
    128 + (exponent - 7) * 64 + sub
}

fn upper(index: usize) -> u64 {
    if index < 128 {
        return index as u64;
    }
    let exponent = (index - 128) / 64 + 7;
    let sub = ((index - 128) % 64) as u128;
    // The end of the last bucket is the end of the type.
    (((64 + sub + 1) << (exponent - 6)) - 1) as u64
}

impl Default for Hist {
    fn default() -> Self {
        Self { buckets: vec![0; 128 + 57 * 64], count: 0, max: 0, min: u64::MAX, sum: 0 }
    }
}

impl Hist {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        self.buckets[index(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
        self.min = self.min.min(value);
        self.sum += u128::from(value);
    }

    /// The value that a share of `q` does not exceed; 0 when there is none.
    pub fn quantile(&self, q: f64) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let wanted = ((self.count as f64) * q).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return upper(index).min(self.max);
            }
        }
        self.max
    }

    /// The same of microseconds, in milliseconds.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        self.quantile(q) as f64 / 1000.0
    }

    /// Of microseconds, in milliseconds.
    pub fn json_ms(&self) -> String {
        if self.count == 0 {
            return "null".into();
        }
        let ms = |value: f64| format!("{:.3}", value / 1000.0);
        let quantile = |q| ms(self.quantile(q) as f64);
        Object::default()
            .put("n", self.count)
            .put("min", ms(self.min as f64))
            .put("mean", ms(self.sum as f64 / self.count as f64))
            .put("p50", quantile(0.5))
            .put("p90", quantile(0.9))
            .put("p99", quantile(0.99))
            .put("p99_9", quantile(0.999))
            .put("max", ms(self.max as f64))
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_round_trip() {
        for value in [0u64, 1, 127, 128, 129, 255, 256, 1000, 65535, 1 << 40, u64::MAX] {
            let upper = upper(index(value));
            assert!(upper >= value && (upper - value) as f64 <= value as f64 / 64.0 + 1.0, "{value} {upper}");
        }
    }

    #[test]
    fn quantiles() {
        let mut hist = Hist::default();
        for value in 1..=100 {
            hist.add(value);
        }
        assert_eq!(hist.quantile(0.5), 50);
        assert_eq!(hist.quantile(0.99), 99);
        assert_eq!(hist.quantile(1.0), 100);
    }
}
