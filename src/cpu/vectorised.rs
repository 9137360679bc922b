//! Loops compiled for several instruction sets: portable, AVX2 with FMA, and AVX-512. Which one runs is decided at run
//! time by what the processor has.

/// Declares a function that is compiled three times on x86-64 and picks the best one that the processor can run. The
/// loops inside vectorise by themselves; nothing is contracted to fused operations, so all three give the same bits.
/// Marked `avx2`, it goes no further: for loops that are bound by memory and whose rows lie across cache lines, where the
/// widest stores are the slowest.
macro_rules! vectorised {
    (avx2 $($function:tt)+) => { vectorised! { @up_to Avx2 [] [] $($function)+ } };
    // A function generic over a learning rule.
    (rule $($function:tt)+) => { vectorised! { @up_to Avx512 [R: Learn<N>, const N: usize] [R, N] $($function)+ } };
    (@up_to $widest:ident [$($generic:tt)*] [$($given:tt)*]
        $(#[$doc:meta])* pub fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$doc])*
        #[allow(unsafe_code)]
        pub fn $name<$($generic)*>($($argument: $type),*) {
            #[inline(always)]
            fn portable<$($generic)*>($($argument: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::vectorised::{InstructionSet, instruction_set};
                #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma")]
                fn avx512<$($generic)*>($($argument: $type),*) {
                    portable::<$($given)*>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$($generic)*>($($argument: $type),*) {
                    portable::<$($given)*>($($argument),*);
                }
                match instruction_set().min(InstructionSet::$widest) {
                    // SAFETY: the processor has been asked for exactly these features.
                    InstructionSet::Avx512 => return unsafe { avx512::<$($given)*>($($argument),*) },
                    // SAFETY: likewise.
                    InstructionSet::Avx2 => return unsafe { avx2::<$($given)*>($($argument),*) },
                    InstructionSet::Portable => {}
                }
            }
            portable::<$($given)*>($($argument),*);
        }
    };
    ($($function:tt)+) => { vectorised! { @up_to Avx512 [] [] $($function)+ } };
}
pub(super) use vectorised;

/// What the element-wise loops use; the GEMM crate asks the processor for the same features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// What every processor of the target has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

/// The best that this processor can run. The answers of the processor are cached, so asking costs next to nothing.
#[inline]
pub fn instruction_set() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("fma") {
            let wide = has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
            return if wide { InstructionSet::Avx512 } else { InstructionSet::Avx2 };
        }
    }
    InstructionSet::Portable
}

impl std::fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Portable if cfg!(target_arch = "x86_64") => "SSE2",
            Self::Portable => std::env::consts::ARCH,
        })
    }
}
