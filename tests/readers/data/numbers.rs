//! Tests that numbers collected as bytes are the numbers that were read, whatever comes after them.

use homeostat::data::Samples;
use homeostat::data::numbers::{LEAST_PIXELS, Numbers};

fn collected(width: usize, parts: &[&[f32]]) -> Numbers {
    let mut numbers = Numbers::new(width);
    parts.iter().for_each(|part| numbers.extend(part).expect("there is memory"));
    numbers
}

fn bits(numbers: Numbers) -> Vec<u32> {
    numbers.into_reals().expect("there is memory").into_iter().map(f32::to_bits).collect()
}

#[test]
fn whole_numbers_of_images_take_a_byte_each_and_others_keep_their_bits() {
    let bytes: Vec<f32> = (0..=255).map(|value| value as f32).collect();
    assert!(matches!(collected(LEAST_PIXELS, &[&bytes]), Numbers::Whole(all) if all.iter().copied().eq(0..=255)));
    assert!(matches!(collected(LEAST_PIXELS - 1, &[&bytes]), Numbers::Reals(_)));
    for other in [-0.0, -1.0, 0.5, 256.0, 1e9, f32::NAN, f32::MIN_POSITIVE] {
        let middle = [1.0, other];
        let numbers = collected(LEAST_PIXELS, &[&bytes, &middle, &bytes]);
        assert!(matches!(numbers, Numbers::Reals(_)), "{other}");
        let expected = bytes.iter().chain(&middle).chain(&bytes);
        assert!(bits(numbers).into_iter().eq(expected.map(|value| value.to_bits())), "{other}");
    }
}

#[test]
fn parts_are_joined_whatever_they_are_stored_as() {
    let parts = [collected(64, &[&[1.0, 2.0]]), collected(64, &[&[3.5, 4.0]]), Numbers::new(64)];
    for first in &parts {
        for second in &parts {
            let mut all = first.clone();
            assert!(all.append(second.clone()).expect("there is memory").is_some());
            assert_eq!(bits(all), [bits(first.clone()), bits(second.clone())].concat());
        }
        let mut bytes = Numbers::Bytes(vec![1]);
        assert!(bytes.append(first.clone()).expect("there is memory").is_none());
        assert!(first.clone().append(Numbers::Bytes(vec![1])).expect("there is memory").is_none());
        assert_eq!(bytes.into_samples().expect("there is memory"), Samples::U8(vec![1]));
    }
}
