//! Loops compiled for three instruction sets: portable, AVX2 with FMA, and AVX-512. The processor's features select one
//! at run time.

/// Declares a function that is compiled three times on x86-64; a call runs the best version that the processor
/// supports. The compiler vectorises the loops inside. No operations are contracted into fused ones, so all versions
/// give the same bits. `avx2` before the function leaves the AVX-512 version out. Use `avx2` for memory-bound loops
/// whose rows straddle cache lines, because the widest stores are slowest there.
macro_rules! vectorised {
    (avx2 $($function:tt)+) => { vectorised! { @up_to Avx2 [] [] $($function)+ } };
    // A function that is generic over a learning rule.
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
                    // SAFETY: the processor has just been asked for exactly these features.
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

/// The instruction set of the element-wise loops. The GEMM crate asks the processor for the same features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// The features that every processor of the target has.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, CD, DQ and VL.
    Avx512,
}

/// The best instruction set of this processor. The processor's answers are cached, so asking costs next to nothing.
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
