//! The sound card: loudspeakers and a microphone, each with a clock of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{Device, FromSample, I24, Sample as _, SampleFormat, SizedSample, Stream, StreamConfig};

use super::Converter;

/// Sound that waits between the card and us at most. What is more is left out: the clocks differ.
const WAITING: Duration = Duration::from_millis(200);
/// A microphone that gives nothing for so long is silent.
const PATIENCE: Duration = Duration::from_millis(100);

type Queue = Arc<Mutex<VecDeque<i16>>>;

/// The default loudspeakers.
pub(crate) struct Speaker {
    queue: Queue,
    /// Plays as long as it lives.
    _stream: Stream,
    rate: u32,
    converter: Option<(u32, Converter)>,
    scratch: Vec<i16>,
}

impl Speaker {
    /// # Errors
    /// A sentence that says why there is none.
    pub(crate) fn open() -> Result<Self, String> {
        let device = cpal::default_host().default_output_device();
        let device = device.ok_or("there is no device to play sound on")?;
        let told = device.default_output_config().map_err(|e| failed("play", &e))?;
        let (format, config) = (told.sample_format(), StreamConfig::from(told));
        let queue = Queue::default();
        let stream = match format {
            SampleFormat::I16 => output::<i16>(&device, config, &queue),
            SampleFormat::I24 => output::<I24>(&device, config, &queue),
            SampleFormat::I32 => output::<i32>(&device, config, &queue),
            SampleFormat::U8 => output::<u8>(&device, config, &queue),
            SampleFormat::F32 => output::<f32>(&device, config, &queue),
            other => {
                return Err(format!("the sound card wants samples of {other}, which are not known here"));
            }
        }?;
        stream.play().map_err(|e| failed("play", &e))?;
        Ok(Self { queue, _stream: stream, rate: config.sample_rate, converter: None, scratch: Vec::new() })
    }

    /// Plays samples at `rate` when those before are over.
    ///
    /// # Errors
    /// A sentence that says that the rate does not fit the card.
    pub(crate) fn play(&mut self, rate: u32, pcm: &[i16]) -> Result<(), String> {
        if self.converter.as_ref().is_none_or(|(from, _)| *from != rate) {
            self.converter = Some((rate, Converter::new(rate, self.rate)?));
        }
        let Some((_, converter)) = &mut self.converter else { return Ok(()) };
        self.scratch.clear();
        converter.process(pcm, &mut self.scratch);
        put(&self.queue, self.scratch.drain(..), self.rate);
        Ok(())
    }
}

/// The default microphone.
pub(crate) struct Microphone {
    queue: Queue,
    /// Listens as long as it lives.
    _stream: Stream,
    rate: u32,
}

impl Microphone {
    /// # Errors
    /// A sentence that says why there is none.
    pub(crate) fn open() -> Result<Self, String> {
        let device = cpal::default_host().default_input_device().ok_or("there is no microphone")?;
        let told = device.default_input_config().map_err(|e| failed("record", &e))?;
        let (format, config) = (told.sample_format(), StreamConfig::from(told));
        let queue = Queue::default();
        let stream = match format {
            SampleFormat::I16 => input::<i16>(&device, config, &queue),
            SampleFormat::I24 => input::<I24>(&device, config, &queue),
            SampleFormat::I32 => input::<i32>(&device, config, &queue),
            SampleFormat::U8 => input::<u8>(&device, config, &queue),
            SampleFormat::F32 => input::<f32>(&device, config, &queue),
            other => {
                return Err(format!("the microphone gives samples of {other}, which are not known here"));
            }
        }?;
        stream.play().map_err(|e| failed("record", &e))?;
        Ok(Self { queue, _stream: stream, rate: config.sample_rate })
    }

    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the next `samples` when they have been spoken; silence if the card gives none.
    pub(crate) fn read(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        let give_up = Instant::now() + PATIENCE;
        let wanted = pcm.len() + samples;
        while pcm.len() < wanted && Instant::now() < give_up {
            {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let count = queue.len().min(wanted - pcm.len());
                pcm.extend(queue.drain(..count));
            }
            if pcm.len() < wanted {
                thread::sleep(Duration::from_millis(2));
            }
        }
        pcm.resize(wanted, 0);
    }
}

fn output<T>(device: &Device, config: StreamConfig, queue: &Queue) -> Result<Stream, String>
where
    T: SizedSample + FromSample<i16>,
{
    let (queue, channels) = (Arc::clone(queue), usize::from(config.channels.max(1)));
    let fill = move |out: &mut [T], _: &_| {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in out.chunks_mut(channels) {
            frame.fill(T::from_sample(queue.pop_front().unwrap_or(0)));
        }
    };
    device.build_output_stream(config, fill, |_| {}, None).map_err(|e| failed("play", &e))
}

fn input<T>(device: &Device, config: StreamConfig, queue: &Queue) -> Result<Stream, String>
where
    T: SizedSample,
    i16: FromSample<T>,
{
    let (queue, channels, rate) =
        (Arc::clone(queue), usize::from(config.channels.max(1)), config.sample_rate);
    let take = move |sound: &[T], _: &_| {
        // The first channel: a microphone has one, whatever the card says.
        put(&queue, sound.chunks(channels).filter_map(|f| f.first()).map(|s| i16::from_sample(*s)), rate);
    };
    device.build_input_stream(config, take, |_| {}, None).map_err(|e| failed("record", &e))
}

fn put(queue: &Queue, samples: impl Iterator<Item = i16>, rate: u32) {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.extend(samples);
    let most = (u128::from(rate) * WAITING.as_millis() / 1000) as usize;
    let over = queue.len().saturating_sub(most);
    queue.drain(..over);
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> String {
    format!("the sound card cannot {what}: {why}")
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speaker").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Microphone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Microphone").field("rate", &self.rate).finish_non_exhaustive()
    }
}
