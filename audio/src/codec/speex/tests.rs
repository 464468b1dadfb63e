use super::synthesis::{HighPass, whole};
use super::*;
use crate::codec::test_sound::{Noise, corpus, digest, snr, speech};
use crate::resample::Resampler;
use proptest::prelude::*;

fn encode(pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(8000, 0);
    let payload = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    pcm.chunks_exact(SAMPLES).map(payload).collect()
}

fn decode(clock: u32, rate: u32, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new(clock, rate);
    let mut pcm = Vec::new();
    payloads.iter().for_each(|payload| decoder.decode(payload, &mut pcm).unwrap());
    pcm
}

/// What the filters at both ends make of sound.
fn filtered(pcm: &[i16]) -> Vec<i16> {
    let mut filters = [HighPass::new(false), HighPass::new(false)];
    let mut pass = |sample: &i16| filters.iter_mut().fold(i32::from(*sample) << 8, |level, f| f.run(level));
    pcm.iter().map(|sample| whole(pass(sample))).collect()
}

fn payloads(hex: &str) -> Vec<Vec<u8>> {
    let mut octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    let mut payloads = Vec::new();
    while let Some(length) = octets.next() {
        payloads.push(octets.by_ref().take(length.into()).collect());
    }
    payloads
}

/// Writes what another implementation is compared on: the test sound at both rates, and our payloads of it, each behind
/// its length in two octets.
#[test]
#[ignore = "writes files for a comparison by hand"]
fn dump() {
    let dir = std::env::var("DUMP").unwrap();
    let little_endian = |pcm: &[i16]| pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>();
    std::fs::write(format!("{dir}/8.raw"), little_endian(&speech(8000, 6400))).unwrap();
    std::fs::write(format!("{dir}/16.raw"), little_endian(&speech(16_000, 12_800))).unwrap();
    std::fs::write(format!("{dir}/8.filtered.raw"), little_endian(&filtered(&speech(8000, 6400)))).unwrap();
    let payloads = encode(&speech(8000, 6400));
    let octets =
        payloads.iter().flat_map(|payload| [&(payload.len() as u16).to_le_bytes()[..], payload].concat());
    std::fs::write(format!("{dir}/8.payloads"), octets.collect::<Vec<u8>>()).unwrap();
}

/// The beginning of the test sound by Speex 1.2.1, as narrowband of changing bit rate (modes 2, 4, 5, 6 and 8): each payload behind
/// its length.
const NARROW: &str = "\
    2e312698d4d3000068e8e8e8e8e8e8e8831a3474747c4115db0ec3ed112b5fed355a39e8c69f73229c64b49d7b2d172e312698d4d6\
    07d0116f7b32b27e1480c58df47c2e0221154c67a2b05492ebcc51409eb1f0c97d1d13189e584556b72629f2a6ef5886e0f859614d\
    3acb42553ffd62184260215c29381315963c0fec5febd6687091372629f2a6ef587d98d32fc3dd25bcbf34ff1d2fd8b4781fa73887\
    3c81de3f6f3cb4bf0e5fda1ff72629f2a6ef587960a4d96433b7dfbcf2effdd88effffde903e692485a265ce7cb09a6a7ffffff726\
    2ccb329197743cdec63cd1531c39f3257d61f93a7adc799fac4296ff4c2e2fa98187b1f01ff726292698d4d76de61732c4480f7db6\
    4e73dee2f82f609a9abacc74656a427f079d00f02dbfbd77262c6ede6ed869e625094d61afe73374bbb534a6fe97fc183ef85977df\
    226c8e4fffd568c44b072629f2a6ef56ed1d6591692e9a55f4f367954e14be6bd8d3b6edfda9cef7ac53b8dc16a0bff8e72629e646\
    ef545f3f35cdfe8cd2fab01e9e167e6709be57c2a84978ffa7ffeb99a4bffeda5652d71c25ae3b35fe6b366c51b31147566c51bd56\
    99146f4a9c7d2c596c68d72e35ae08ee76591a5974a30c90020b8dab25127c3c24644bf44215dc3381033eb35d5844aaae66e7ada3\
    11a30b2b272e35b772e9785372af2be8b587f26a2be4ae5720175d941dffdc551cb5d113d64d7a263e0a37449f05e51bb55b23072e\
    35b772e97751e63898e8d948d9783fa8347f48a5750f8fc1f0f0799a29370c56968d9a37fcc977084e590ade0517262db772e8784f\
    5ce937f7f5d55526dcc28affd34a6fd3796726759a49fd697230efe4eaff3347262db74ce978b77cc60e7b8fced024f308e5723f4f\
    f1d2f99ffe97f0975f365238e0b53ff047a7262db74ce978469ce9d3edac4df524f2eb87c80cb6dfd1f973dbfbd7c897e8bcb3bff8\
    eb55ffe72e35b74ce977ac70fe0a4eb0dcd9bc43d574c9058c8fa40c13f61179465147692bc60a35153cab1880ababb300a307262d\
    b74ce97743e56b7ff861f47fd3b044126392ff7650795a5ab7f6db6ff453d5a91eb9bffff7262db752e975a30af69ff92ed40b1f9f\
    2fef12ad6fefcfcf56705ac3f382e7e79d0414268dd7b7262c228059b4fff90b9cccfffdb34e0072c9cb374edbcebedfc1039e6e3f\
    27867fffff53cbe6d72e3433f659b539f72d5a24e8f95c7e371d25a45c6d2c3465fa380ef75faa8a22e6c20bbdc7545bbfb51845dd\
    1915e72e3433f659b73972981d78025948af689cb1bc3451fc34747c244e798d6932274bfe122d673cc5af0b390470e49d172e3433\
    f65db837e5a948996887f24f48f4f2dafc2c83b46bb22c0df97a32f22a1d6636b45cbca4890dcdce2315f5672e3433f659b735e54b\
    192f4828af0da745dca006e222348ef11462f9590e9cd15a2fd3e67c0e50de4f06e49d191d172e34338e59b78be5ffde497c58ad07\
    6819f2d8ab791c7436e41fe1f966fa9fd4da2c334c467cbb26bae089e616c6b72e34338e59b885b9b8a887f26e0ce8b8c2f2838657\
    bd4c56811acc7958811e05f66c53d2107ca9e71bfb85703eb7472e34338e5db883e5785a6886f7e8c87840f2ac0ee203f91c78944b\
    f94baab681bc0231564ffcad100f0b7ef20baf072e3433f65db77fe598793607f2605d18e7dd27b47463e589642c8bee6d26564db2\
    c647ad65b7251f73478f80a90f27262c338ad6f42d3eec77e797dd7796a770b56143aedb0b7ab6f3689fd76fe57d41ffa70592bd37\
    2629364b54d0780a9067b91c77f30dfcd075b920aac8bc118047da2b8d14a46befbd030b2c6c471c21f24335db784ca5ddba123a07\
    32e6f51c5fddf7f216bcfe7dbd6d471c21f291467c1c4e679ce55c739e932b5a5ce3ba7a17f08eb25a3872d71c246e9b4409d1f899\
    062c3cf2bf8ee283719b046ab9f9ffe6f6beac471c24cb254b29b8f7479c24ce982731064305e6dd6e06ad1ebcaa237ad70f11f2ba\
    268853710cd649ffe17cae560f15c69ab69e16ee0feec92485c02a720f15c6962a8f0789739c58062c44b7520a44cb245169a615e2\
    7c160a41e63b6022987cee15180a41e63bec219cfcee1502\
";

/// What its decoder makes of them without its postfilter: the level of each 20 ms.
const NARROW_LEVELS: [i64; 40] = [
    664, 2718, 3811, 3930, 3814, 3828, 3798, 4649, 3791, 2180, 561, 3286, 5047, 4965, 4814, 4818, 4905, 5295,
    4933, 2604, 1355, 4140, 6936, 6545, 6743, 7001, 7061, 7616, 6812, 3662, 481, 602, 1065, 1095, 964, 1140,
    540, 770, 602, 374,
];

/// The same of the sound at 16 kHz, as wideband.
const WIDE: &str = "\
    4631e676ec52000068e8e8e8e8e8e8e88e78347474747474744c8bec0c5a06365631432be35f7d1d1d1d10ce49d6ebc865abababab\
    ab3ababab0ea720dc98dcd371ababf471ba74631e676ec5504448e3e9b5ef4dd1ed845e7b46464747c2de5a822f325646b322f0a70\
    c590e965ed1626b5a314e35bc862520b8b0bf31abababd7cf2d858cc38420ababab567b73c31e676ec5687497a9dea5d4d084f2bc2\
    793fec944ce454771ea13c31c39011f3242d10efec530dc5e4931849105ac863f67160b5acb3ce2d60b5acb73c31e676ec567e90d0\
    96643b6a4325aec00b3cac3c347722345d5fee2ac862276b805bc92f3cc74dc9191c032ae62a8863ce2d60b5acb2cdad60b5ad473c\
    31e676ec5678e0b2a75fc42b2e15cdbcf2ec1c3c9aecb4aa941e1c3f254f1ff5716802ae82c1bb4d183dc24316bac862f5ad60b584\
    d3f5ad60b59d973c31e676ec5575e11b5f996d93ee691f39b15a6adad38fe472c11ca7295ad0a35e5d88094e42dd1d17aec90d1d1b\
    4a8862ee2d60b22d620dad60b62d673c31e676ec558a7ccab912478560ffa0b6f339c41b064c1241247e799a2e2d706bcd8cfe5f1c\
    1a33cd78540c18a6cac862c5aca0866d60b5ad0375ad673c31e676ec5669e5b5ee38e8bad202587aae4414faad3d3715f519f97081\
    fc82365e523c4cc2bf26b51d16b6e31a1a8860b5b1620dad6018ad60b5acb73c31e676ec55ec71555fa8d1ca180de4b139b46cbc34\
    4be48c413a7725432f84a76434a95cd3d914efc576e04d16bac862ce2d60b5a1920dad60edad673c31e632ec52e30b2498c1ee48f8\
    04e52f1ece90ff7ddf221a5b97fab0764bdf256dfa3e0bc7914598cbd0d70904fac8600dad040dad61b2f385166c373c302ea2edb2\
    dd0e77cad988e8e8f818acfc501c464d0e5a8045c64312ca345faa3b9e6fcb1f629543ddf623d9a90aca80e5ad60b43b81c770a084\
    2d674630362cee5559cee8e8f868a71ae068acec4b980c9f3c20dc5255929278996e1cb3d23a2a894b26bb2f09f8f6ef0bcb10abab\
    d429730d2bd38ab9c0f23842abab0abab188b3d746302ea2ee565570dfae9a1630c278df64731ef51895d57c15ed151c9e062dd5b2\
    d64dc638fdc516231ab55d1b4e8bcb105f38abab960c4ebababab0ababf238420ababababe373c302ea2edb6c7dd0a9ab5f1041631\
    6e28f2d25858d80cc79b15d3f97e6e4967cba1b482d81c121db64f2a4e143adacb1072f360b22160b586d0a66d673c302ea2edb64f\
    e5fc5daaa8ee6835b8a70b00144cbca516ac9ad31c86307e1a292d662e575393a3afb079a9917c1acb1003ad60b59360b5ac00f3ad\
    673c302ea2edb64be61907db78e8c8ee48a4f2b44c1c7ccbfa584fad795c415a31120c4d6f56ab9e4faea428969fd0aacb101b6d60\
    b5a160b5acb07397673c302ea2ee56b362482735c1b81bba41d8f2d19aee979d47b95c6c856e9a3a2d89323700a8dc2aa245170f0b\
    4576cacb1043ad60b5bb80b5ac80c42d673c302ea2ee5645e556cb0d3af5aeb4b8a2f2baf3c65c968de13c2af9467646261a0eab5e\
    484e44b89ff6c716c977aacb1005ad60b01d60b596e0b5acb73c30361aedb6a95d494f9298a4d935c521f33cb205d43c12584c506e\
    6071173776293e157467bb2b391694fe4a1bfacb1073ad605bad60b01d60b581673c302ec322b4409e080231584848271ad11cd518\
    2d447495d2640fa7944cdcd3c6261a3a27e13db31efd35e32f0b2acb10b5ac80c42d60ee2d601b6d673c3433c0ea93fff95b056897\
    8e10a4e03622659917330840793f7ec2603d3d8d33d65aa0279cb4c83903d3e31314eac800c95d6075ad60b5ad80cdac87463433a8\
    5db43bdadb78d14518b168f81d252413661acc8c745ace92ba32274e15760bfe12dcdb2dc57b547d05231bc801378b0bb773066cff\
    5c9ab0c2fa0dabab0abc233b70b7463433c0e8169449b8f1423a1483e5f81cf33ff72cbca46946e40e58be2596461a2636b1070e58\
    303312591b2b475bc800423dd784f50c249c2484f0d28d42d47508b3738c2e37463433c05db638f1d5227fc46a3830991b718abac1\
    347c2cb45afa1cae96ce063a26523226ce59763fc3bf0f09eb2bc8025b52c942c2033b7b8bdab0e3cf520d380c233b70b427463433\
    a85db68c72af023af5af782f311af306cd299bfce4542462f96d86065799524229314e48a69495a6683d155bc800b804f88d8d0ab1\
    8374c0b0b7b84ef537038c2e3cf527463433a8ea9635e66e34e8f8319fa4826f392c16a41c344eb7188cf9711e12309e05e4a3267c\
    b089a31dc718fe4dabc800c942d4758b00bb7b84ef50c2abab04f808dababd7847463433c9d0f685e5ae5f050059a8944942dd1b0d\
    244c74410308a16e8320f96ddff3570a863cc35eb6b195562ad4dbc800f5abab185f08b75f3c2330b70b420d7b052b8abab4874634\
    33c9d0f631e59ae218982f12cf1d17394e8d00f4a21ac67a0bf99a8b5082be1a2b5765fcbf0f049525d91d13abc8004fd28d42f20d\
    2b8ab42f216bb842ab041d2ababab047463433c1d0f67e72c26e5968b5c8f81d17f2e15784646cbc57634bee6efbfe060bb06c3f65\
    93c2a9d04559ae56de4bc801d2ababab040d2abab42f216bb8abab0a18eabababfa73c3433c3d0f32d3ea53ffae875ffd75b169ed7\
    ec77db8edf904acb7a83534bae2a368734456133a0d6fb23131e452ac801b5ac81f62d02cdad820d86273c3424b2d60f2c7f5eb549\
    18d9632cffa06b4ebee8ee24789b0363915e09397bc0515ac80b3355e26166d531222a6ac8630dad62b5ad604582808520b73c31e6\
    4f0f706a671ed408a4444a5f0485bf90a4a9b9947f2ee1e270c2b422421146d087b73b7ff62dad611b92fccac8600acde0ca4bd158\
    07d186dd073c31e67763730556c7deace949b0a85369f94984cd000119053e9fe6b1bffcb34737e1b03f6fe32b5a2d5b1b926deac8\
    62b328b13741916c1d90caca973429e646ec53e27eff04b9e773db75e3a4aa2d7648ba19fab8d986f7baa28b47df201322f8512ac8\
    00777a01043210634191ca4b872024cb253ba7f5893be444d7157acd68c9cf446a8b6e67a77b982e5449c80841f31411e63a966e4c\
    f9723a9997060f5541390cf841cf1411f2bac25e0437f434e79d87512f71390cd735af1411f23a2a6112b0dd44a7a8ea0283852700\
    c739cf1411e64252437e09f331a83dc54aaa8739011949ef1411e63b5a21b72819a28000f9a23e47390d37b52f1411e63a0df1612b\
    86d2c8c22040c1f5390ca6b98f\
";

const WIDE_LEVELS: [i64; 40] = [
    69, 1628, 3270, 3641, 3669, 4135, 3639, 3614, 4195, 2183, 696, 2051, 4231, 4489, 4436, 4118, 4305, 4503,
    4607, 3057, 869, 3484, 6240, 6695, 6295, 6454, 6800, 7196, 7055, 4354, 1036, 486, 1152, 740, 1076, 986,
    940, 861, 671, 471,
];

/// Its decoder holds sound back for its postfilter, whether that is used or not; that silence is left out here.
#[test]
fn payloads_of_others_are_heard_as_others_do() {
    for (clock, hex, levels) in [(8000, NARROW, &NARROW_LEVELS), (16_000, WIDE, &WIDE_LEVELS)] {
        let pcm = decode(clock, clock, &payloads(hex));
        let level = |pcm: &[i16]| {
            (pcm.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>() / pcm.len() as i64).isqrt()
        };
        let heard: Vec<i64> = pcm.chunks(clock as usize / 50).map(level).collect();
        let like = |(ours, other): (&i64, &i64)| (ours - other).abs() <= 2 + other / 100;
        assert!(heard.len() > levels.len() && heard.iter().zip(levels).all(like), "{clock}: {heard:?}");
    }
}

/// Below 4 kHz it is the same whether what is above is wanted or not.
#[test]
fn wideband_can_be_heard_as_narrowband() {
    let narrow = decode(16_000, 8000, &payloads(WIDE));
    let mut filter = HighPass::new(false);
    let sound: Vec<i16> = speech(8000, 6400).iter().map(|&s| whole(filter.run(i32::from(s) << 8))).collect();
    assert_eq!(narrow.len(), 41 * SAMPLES);
    let (ratio, delay) = snr(&sound, &narrow, 200);
    assert!(ratio > 6.0, "{ratio:.1} dB after {delay}");
}

/// The reference's encoder comes to 20 dB on recorded speech, in the same mode.
#[test]
fn speech_is_understood() {
    let recorded = corpus("short_nb_voice.wav").map(|pcm| ("corpus", pcm, 14.0));
    for (name, pcm, least) in [("own", speech(8000, 80_000), 25.0)].into_iter().chain(recorded) {
        let payloads = encode(&pcm);
        assert!(payloads.iter().all(|payload| payload.len() == 38));
        let (ratio, delay) = snr(&filtered(&pcm), &decode(8000, 8000, &payloads), 80);
        assert!(ratio > least && delay == 40, "{name}: {ratio:.1} dB after {delay} samples");
    }
}

/// Integers only: the same on every machine.
#[test]
fn what_is_sent_and_heard_does_not_change() {
    let sent = encode(&speech(8000, 16_000));
    let heard = decode(16_000, 16_000, &payloads(WIDE));
    let heard: Vec<u8> = heard.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(digest(&sent.concat()), "9a8b614703fb31f6defa077fbae851dbe86af41f05232bb327adb87f1ef1c0e4");
    assert_eq!(digest(&heard), "4ce00089cfd7fa0070d574dbc87c7daa6f8e298602e225adff21da97c20b560f");
}

#[test]
fn several_frames_go_into_one_payload() {
    let pcm = speech(8000, 24 * SAMPLES);
    let (mut encoder, mut joined) = (Encoder::new(8000, 0), Vec::new());
    for piece in pcm.chunks(3 * SAMPLES) {
        let mut payload = Vec::new();
        encoder.encode(piece, &mut payload);
        // 900 bits, and what fills the last octet.
        assert_eq!((payload.len(), payload.last().map(|last| last & 15)), (113, Some(7)));
        joined.push(payload);
    }
    assert_eq!(decode(8000, 8000, &joined), decode(8000, 8000, &encode(&pcm)));
}

#[test]
fn narrowband_is_understood_in_streams_of_every_rate() {
    let pcm = speech(8000, 50 * SAMPLES);
    for clock in CLOCKS {
        let decoder = Decoder::new(clock, 48_000);
        let heard = decode(clock, 48_000, &encode(&pcm));
        assert_eq!(decoder.rate(), clock.min(16_000));
        assert_eq!(heard.len(), 50 * decoder.rate() as usize / 50);
    }
}

/// What is above 4 kHz is taken out, and nothing else.
#[test]
fn wideband_is_brought_down() {
    let pcm = speech(8000, 100 * SAMPLES);
    let mut up = Resampler::new(8000, 16_000).unwrap();
    let mut wide = Vec::new();
    up.process(&pcm, &mut wide);
    let (mut encoder, mut payloads) = (Encoder::new(32_000, 48_000), Vec::new());
    assert_eq!((encoder.rate(), Encoder::new(16_000, 8000).rate()), (16_000, 8000));
    for piece in wide.chunks_exact(2 * SAMPLES) {
        let mut payload = Vec::new();
        encoder.encode(piece, &mut payload);
        payloads.push(payload);
    }
    assert!(payloads.len() > 97, "{}", payloads.len());
    let (ratio, delay) = snr(&filtered(&pcm), &decode(8000, 8000, &payloads), 200);
    assert!(ratio > 20.0, "{ratio:.1} dB after {delay}");
}

#[test]
fn what_stands_between_frames_is_left_out() {
    let frame = &encode(&speech(8000, SAMPLES))[0];
    let bits = |parts: &[(usize, u32)]| {
        let mut payload = Vec::new();
        let mut writer = bits::Writer::new(&mut payload);
        parts.iter().for_each(|&(value, count)| writer.put(value, count));
        writer.end();
        payload
    };
    let mut reader = bits::Reader::new(frame);
    let frame: Vec<(usize, u32)> = (0..300).map(|_| (reader.take(1).unwrap(), 1)).collect();
    let silence = (0b0_0000, 5);
    let message = [(0b0_1110, 5), (9, 4), (0xaa, 8)];
    let application = [(0b0_1101, 5), (2, 4), (0, 5), (0xffff, 16)];
    // A layer of ultra-wideband behind that of wideband: gains and nothing else.
    let layers = [(0b1_001, 4), (0, 32), (0b1_001, 4), (0, 32)];
    let decoder = Decoder::new(32_000, 16_000);
    let samples = |parts: &[&[(usize, u32)]]| decoder.samples(&bits(&parts.concat()));
    assert_eq!(samples(&[&frame]), Some(320));
    assert_eq!(samples(&[&message, &frame, &application, &frame]), Some(640));
    assert_eq!(samples(&[&frame, &layers, &frame, &layers]), Some(640));
    assert_eq!(samples(&[&[silence], &frame]), Some(640));
    // The end, and what is behind it.
    assert_eq!(samples(&[&frame, &[(0b0_1111, 5)], &frame]), Some(320));
    // Filled with zeros, as some do.
    let mut zeros = bits(&frame);
    *zeros.last_mut().unwrap() &= 0xf0;
    assert_eq!(decoder.samples(&zeros), Some(320));
}

#[test]
fn what_is_no_payload_is_refused() {
    let mut decoder = Decoder::new(16_000, 16_000);
    let whole = payloads(WIDE).swap_remove(3);
    let mut pcm = vec![7];
    for payload in [
        &[][..],
        // The end of nothing, a mode that there is not, a layer that there is not.
        &[0x78],
        &[0x48; 40],
        &[0xd0; 40],
        &whole[..30],
        // Eleven frames of silence.
        &[0; 8],
    ] {
        assert_eq!(
            (decoder.samples(payload), decoder.decode(payload, &mut pcm)),
            (None, Err(crate::codec::Malformed))
        );
    }
    assert_eq!(pcm, [7]);
}

/// Parameters that no encoder would send: filters that ring, gains that grow.
#[test]
fn nonsense_is_decoded_within_bounds() {
    let mut noise = Noise(8);
    for (mode, size) in (1..).zip([43, 119, 160, 220, 300, 364, 492, 79]) {
        let mut decoder = Decoder::new(16_000, 16_000);
        let mut pcm = Vec::new();
        for _ in 0..300 {
            let mut payload = Vec::new();
            let mut bits = bits::Writer::new(&mut payload);
            bits.put(mode, 5);
            (5..size).for_each(|_| bits.put(noise.next() as usize, 1));
            let (layer, size) = [(1, 36), (2, 112), (3, 192), (4, 352)][mode % 4];
            bits.put(8 | layer, 4);
            (4..size).for_each(|_| bits.put(noise.next() as usize, 1));
            bits.end();
            decoder.decode(&payload, &mut pcm).unwrap();
        }
        assert_eq!(pcm.len(), 300 * 320, "{mode}");
    }
}

/// The loudest that can be said, for a second in each mode: every gain at its most, and the pitch fed by itself.
#[test]
fn the_loudest_parameters_do_not_grow_without_end() {
    for mode in 1..=8 {
        let mut decoder = Decoder::new(16_000, 16_000);
        let mut pcm = Vec::new();
        for turn in 0..50 {
            // Then silence as loud as that was.
            let octets =
                if turn % 10 == 9 { vec![0] } else { [vec![mode << 3 | 7], vec![0xff; 105]].concat() };
            let _ = decoder.decode(&octets, &mut pcm);
            let mut payload = Vec::new();
            let mut bits = bits::Writer::new(&mut payload);
            bits.put(mode.into(), 5);
            let size = [43, 119, 160, 220, 300, 364, 492, 79][usize::from(mode) - 1];
            (5..size).for_each(|_| bits.put(1, 1));
            bits.put(8 | 4, 4);
            (4..352).for_each(|_| bits.put(1, 1));
            bits.end();
            decoder.decode(&payload, &mut pcm).unwrap();
        }
        assert!(pcm.len() >= 50 * 320);
    }
}

proptest! {
    #[test]
    fn any_payload_gives_what_it_says(payload: Vec<u8>, rate in 8000_u32..20_000) {
        let mut decoder = Decoder::new(16_000, rate);
        let told = decoder.samples(&payload);
        let mut pcm = Vec::new();
        prop_assert_eq!(decoder.decode(&payload, &mut pcm).is_ok(), told.is_some());
        prop_assert_eq!(pcm.len(), told.unwrap_or(0));
    }

    /// Full scale, and all else that wraps if anything does.
    #[test]
    fn any_sound_is_encoded(pcm in proptest::collection::vec(any::<i16>(), SAMPLES..4 * SAMPLES), loud: bool) {
        let pcm: Vec<i16> = if loud { pcm.iter().map(|s| if *s < 0 { i16::MIN } else { i16::MAX }).collect() } else { pcm };
        let payloads = encode(&pcm);
        prop_assert_eq!(decode(8000, 8000, &payloads).len(), payloads.len() * SAMPLES);
    }
}
