//! Tests the statistics against SciPy 1.17.1 (NumPy 2.4.6). Samples are in units of 1e-4, like differences between
//! error rates over 10 000 test samples. In the SciPy calls below, `d` is the sample divided by 1e4.

use homeostat::stats::{
    Interval, bootstrap_mean, holm, mean, median, probability_of_improvement, sd, signed_rank, summary, tost,
};

const FIVE: [i32; 5] = [-2, -10, -13, 3, -6];
const TEN_TIED: [i32; 10] = [-3, 0, -1, -4, 2, -3, -1, -6, 0, -2];
const SKEWED: [i32; 15] = [1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 14, 20, 31, 60];
const TWENTY: [i32; 20] = [12, -59, -22, 7, -30, -47, -54, -48, -50, -40, 32, -56, 20, -1, -14, -57, -41, 69, -16, 4];
const TWENTY_TIED: [i32; 20] = [1, 2, -3, -4, -2, -3, 1, -1, -1, -1, 3, -4, -4, 2, -2, -1, -5, -2, 0, -7];
const FIFTY: [i32; 50] = [
    107, 162, 121, -228, -749, 447, 374, -357, 300, 2, -89, -63, -392, -112, -39, 21, -311, 93, -293, -262, -28, -245,
    -474, -272, -341, -9, 209, 172, -330, -206, 45, -711, 279, 425, 213, -937, 43, -805, 306, -935, -632, 78, -637,
    -1170, -501, 110, -541, -507, 3, -68,
];
const SIXTY: [i32; 60] = [
    32, 23, -3, -11, 28, -10, -20, 15, -9, -30, 18, 25, -22, -3, -6, 1, -5, -28, 6, -3, 8, 19, 23, 14, -53, -18, 7, 23,
    -18, -12, 43, -51, -2, -10, -4, -3, 19, 26, 73, 45, 4, 11, 28, 64, 1, 14, 1, 32, -25, 8, -24, 11, 23, -4, 0, 30, 3,
    18, 0, -15,
];

fn over_10_000(sample: &[i32]) -> Vec<f64> {
    sample.iter().map(|&count| f64::from(count) / 1e4).collect()
}

#[track_caller]
fn close(value: f64, reference: f64) {
    within(value, reference, 1e-11);
}

#[track_caller]
fn within(value: f64, reference: f64, relative: f64) {
    assert!((value - reference).abs() <= relative * reference.abs(), "{value:e}, SciPy {reference:e}");
}

/// `d.mean()`, `d.std(ddof=1)`, `np.median(d)`.
#[test]
fn summaries_agree() {
    for (sample, [m, s, middle]) in [
        (&FIVE[..], [-0.00056, 0.0006348228099241551, -0.0006]),
        (&TEN_TIED, [-0.00018, 0.00022997584414213786, -0.00015]),
        (&TWENTY, [-0.001955, 0.0035290486268293774, -0.0026]),
        (&SIXTY, [0.0005116666666666668, 0.002360055419247799, 0.0002]),
    ] {
        let d = over_10_000(sample);
        close(mean(&d), m);
        close(sd(&d), s);
        close(median(&d), middle);
        assert_eq!(summary(&d).n, sample.len());
    }
    let one = summary(&[0.5]);
    assert!(one.mean == 0.5 && one.sd.is_nan() && one.median == 0.5);
    assert!(summary(&[]).mean.is_nan() && median(&[]).is_nan());
}

/// `stats.wilcoxon(d).pvalue` with its defaults: exact without zeros and ties. With them, p comes from permutations for
/// n ≤ 13, else from the normal approximation. Rank sums are from `stats.rankdata(abs(d[d != 0]))`.
#[test]
fn signed_ranks_agree() {
    for (sample, plus, minus, p, exact) in [
        (&FIVE[..], 2.0, 13.0, 0.1875, true),
        (&TEN_TIED, 3.5, 32.5, 0.046875, true),
        (&TWENTY, 46.0, 164.0, 0.026641845703125, true),
        (&TWENTY_TIED, 38.0, 152.0, 0.02096732918042964, false),
        (&FIFTY, 368.0, 907.0, 0.008587735636506721, true),
        (&SIXTY, 1064.0, 647.0, 0.10638156811857165, false),
    ] {
        let d = over_10_000(sample);
        let test = signed_rank(&d, 0.0);
        assert_eq!((test.plus, test.minus, test.exact), (plus, minus, exact));
        // The normal approximation uses the erfc of statrs, which is accurate to 1e-10.
        within(test.p, p, if exact { 1e-11 } else { 2e-10 });
        let turned: Vec<f64> = d.iter().map(|d| -d).collect();
        let turned = signed_rank(&turned, 0.0);
        assert_eq!((turned.plus, turned.minus, turned.p), (minus, plus, test.p));
    }
}

/// Rates are not exact multiples of 1e-4 in binary. Without the tolerance, rounding would rank equal differences as
/// different.
#[test]
fn rounding_neither_breaks_ties_nor_makes_differences() {
    let d = |counts: &[(i32, i32)]| -> Vec<f64> {
        counts.iter().map(|&(a, b)| f64::from(a) / 1e4 - f64::from(b) / 1e4).collect()
    };
    let rates: Vec<(i32, i32)> =
        TWENTY_TIED.iter().enumerate().map(|(i, d)| (170 + 3 * i as i32 + d, 170 + 3 * i as i32)).collect();
    let differences = d(&rates);
    assert_ne!(signed_rank(&differences, 0.0), signed_rank(&over_10_000(&TWENTY_TIED), 0.0));
    assert_eq!(signed_rank(&differences, 1e-14), signed_rank(&over_10_000(&TWENTY_TIED), 0.0));
    let dust = signed_rank(&[1e-18, -1e-18, 2e-18], 1e-14);
    assert_eq!((dust.plus, dust.minus, dust.p), (0.0, 0.0, 1.0));
}

/// The larger p of `stats.ttest_rel(d + m, zeros, alternative="greater")` and `stats.ttest_rel(d - m, zeros,
/// alternative="less")`.
#[test]
fn equivalence_agrees() {
    for (sample, margin, p) in [
        (&FIVE[..], 0.0005, 0.5785239493483507),
        (&FIVE, 0.002, 0.003559766037994124),
        (&TEN_TIED, 0.0005, 0.0008599984258165002),
        (&TWENTY, 0.002, 0.47756012350530186),
        (&TWENTY_TIED, 0.0005, 4.796270101093837e-6),
        (&TWENTY_TIED, 0.002, 2.8445774739036447e-18),
        (&SIXTY, 0.0005, 0.5152076539104968),
        (&SIXTY, 0.002, 4.134952737808416e-6),
    ] {
        let d = over_10_000(sample);
        close(tost(&d, margin), p);
        close(tost(&d.iter().map(|d| -d).collect::<Vec<_>>(), margin), p);
    }
    assert_eq!((tost(&[0.25; 4], 0.5), tost(&[0.25; 4], 0.25)), (0.0, 1.0));
    assert!(tost(&[0.1], 1.0).is_nan());
}

/// `stats.bootstrap((d,), np.mean, n_resamples=1_000_000, rng=99, batch=10_000,
/// confidence_level=c).confidence_interval`.
///
/// With 10 000 resamples, SciPy's own interval ends have standard deviations of 0.4 to 2.4 % of the interval's width,
/// over 40 seeds. So the test allows 5 % of the width. This tolerance rejects percentile intervals, which are 6 and 21
/// % off for the skewed sample.
#[test]
fn bootstrap_intervals_agree() {
    for (sample, confidence, low, high) in [
        (&FIVE[..], 0.95, -0.00102, -0.00002),
        (&FIVE, 0.8, -0.00088, -0.00022),
        (&TEN_TIED, 0.95, -0.00032, -0.00005),
        (&SKEWED, 0.95, 0.0005933333, 0.0023866667),
        (&TWENTY, 0.95, -0.00328, -0.000225),
        (&TWENTY, 0.8, -0.002855, -0.00086),
        (&TWENTY_TIED, 0.95, -0.00027, -0.00005),
        (&FIFTY, 0.95, -0.02858, -0.007602),
        (&SIXTY, 0.95, -0.0000666667, 0.0011183333),
        (&SIXTY, 0.8, 0.0001316667, 0.0009066667),
    ] {
        let interval = bootstrap_mean(&over_10_000(sample), confidence, 10_000, 0);
        let tolerance = 0.05 * (high - low);
        assert!(
            (interval.low - low).abs() <= tolerance && (interval.high - high).abs() <= tolerance,
            "n = {}, {confidence}: {interval:?}, SciPy {low} to {high}",
            sample.len()
        );
    }
}

#[test]
fn a_bootstrap_repeats() {
    let d = over_10_000(&TWENTY);
    let first = bootstrap_mean(&d, 0.95, 10_000, 1);
    assert_eq!(first, bootstrap_mean(&d, 0.95, 10_000, 1));
    assert_ne!(first, bootstrap_mean(&d, 0.95, 10_000, 2));
    let wider = bootstrap_mean(&d, 0.99, 10_000, 1);
    assert!(wider.low < first.low && first.high < wider.high);
    assert_eq!(bootstrap_mean(&[0.5; 7], 0.95, 100, 1), Interval { low: 0.5, high: 0.5 });
    assert!(bootstrap_mean(&[0.5], 0.95, 100, 1).low.is_nan());
}

/// `statsmodels.stats.multitest.multipletests(p, method="holm")[1]` of statsmodels 0.15.0. By hand: 0.005·6, 0.01·5,
/// 0.03·4, then 0.04·3 for both values of 0.04, because no adjusted p may be below the one before, and 0.5·1.
#[test]
fn holm_agrees() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.5, 0.04]);
    for (value, reference) in adjusted.iter().zip([0.05, 0.12, 0.12, 0.03, 0.5, 0.12]) {
        close(*value, reference);
    }
    assert_eq!(holm(&[0.7, 0.6]), [1.0, 1.0]);
    assert_eq!(holm(&[0.03]), [0.03]);
    assert!(holm(&[]).is_empty());
}

/// `stats.mannwhitneyu(y, x).statistic / (len(x) * len(y))`.
#[test]
fn improvement_agrees() {
    let x = over_10_000(&[169, 172, 165, 170, 171, 168, 175]);
    let y = over_10_000(&[170, 174, 172, 169, 178, 171]);
    close(probability_of_improvement(&x, &y), 0.6904761904761905);
    close(probability_of_improvement(&y, &x), 1.0 - 0.6904761904761905);
    assert_eq!(probability_of_improvement(&x, &x), 0.5);
}

/// An arm compared with itself has differences of 0 only.
#[test]
fn nothing_differs_from_itself() {
    for n in [2, 13, 14, 50, 60] {
        let d = vec![0.0; n];
        assert_eq!(signed_rank(&d, 0.0).p, 1.0);
        assert_eq!(bootstrap_mean(&d, 0.95, 1000, 0), Interval { low: 0.0, high: 0.0 });
        assert_eq!((mean(&d), tost(&d, 1e-4)), (0.0, 0.0));
    }
}
