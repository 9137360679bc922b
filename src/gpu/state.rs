//! Between a [`MemberState`], which has no padding, and the arenas, which have. [`Layout::places`] alone says which value
//! lies where; packing and unpacking both follow it.

use super::canary::WORDS;
use super::layout::{LANES, Layer, Layout, PLANES, Plane, RatePlane};
use crate::rule::psi::Slot;
use crate::train::state::{LayerState, MemberState, RunningScore};

/// The buffers that hold training state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Arena {
    /// `[P][weights4]`
    Weights,
    /// `[P][memory][weights4]`, empty where the rule has none
    Memory,
    /// The canary, then `[P][PLANES][neurons4]`
    Neurons,
    /// `[P][rate planes][weights4]`, empty outside weight scope
    Rates,
}

impl Arena {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Weights, Self::Memory, Self::Neurons, Self::Rates];
}

/// All of them, as flat floats in the order of [`Arena`].
pub type Arenas = [Vec<f32>; 4];

/// One array of a [`LayerState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Weights,
    /// One of as many planes of the rule's memory.
    Memory(usize, usize),
    Alpha0,
    Psi,
    Sum,
    Carry,
    Ticks,
    Onset,
    Theta,
    Armed,
    /// No field: the value is 1 wherever the shaders multiply by it.
    One,
}

/// Where a dense array of rows lies in an arena, in floats.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// First float.
    pub first: usize,
    /// Values of a row; rows follow each other at the padded width.
    pub width: usize,
    /// Rows.
    pub rows: usize,
}

impl Place {
    fn stride(&self) -> usize {
        self.width.div_ceil(LANES) * LANES
    }

    fn put(&self, arena: &mut [f32], dense: &[f32]) {
        debug_assert_eq!(dense.len(), self.rows * self.width);
        let padded = arena[self.first..].chunks_mut(self.stride());
        dense.chunks_exact(self.width).zip(padded).for_each(|(from, to)| to[..self.width].copy_from_slice(from));
    }

    /// The dense array.
    pub fn get(&self, arena: &[f32]) -> Vec<f32> {
        let padded = arena[self.first..].chunks(self.stride()).take(self.rows);
        padded.flat_map(|row| &row[..self.width]).copied().collect()
    }

    /// Floats it spans in the arena.
    pub fn span(&self) -> usize {
        self.rows * self.stride()
    }
}

impl Layout {
    fn weight_place(&self, member: usize, planes: usize, plane: usize, layer: &Layer) -> Place {
        Place {
            first: LANES * ((member * planes + plane) * self.weights4 + layer.weights as usize),
            width: layer.n_out as usize,
            rows: layer.n_in as usize + 1,
        }
    }

    /// Where a plane of a layer's neurons lies.
    pub fn neuron_place(&self, member: usize, plane: Plane, layer: &Layer) -> Place {
        let first = LANES * ((member * PLANES + plane as usize) * self.neurons4 + layer.neurons as usize);
        let first = self.canary_words() + first;
        Place { first, width: layer.n_out as usize, rows: 1 }
    }

    /// Where a plane of a layer's weight-wise rates lies.
    pub fn rate_place(&self, member: usize, plane: RatePlane, layer: &Layer) -> Place {
        self.weight_place(member, self.rate_planes, plane as usize, layer)
    }

    /// Where the first plane of the rule's memory lies.
    pub fn memory_place(&self, member: usize, layer: &Layer) -> Place {
        self.weight_place(member, self.memory, 0, layer)
    }

    /// Where ψ, the observed sums and θ of a layer's slots lie.
    pub fn slot_places(&self, member: usize, layer: &Layer) -> (Arena, [Place; 3]) {
        if self.slots_per_weight {
            let planes = [RatePlane::Psi, RatePlane::Sum, RatePlane::Theta];
            (Arena::Rates, planes.map(|plane| self.rate_place(member, plane, layer)))
        } else {
            let planes = [Plane::Psi, Plane::Sum, Plane::Theta];
            (Arena::Neurons, planes.map(|plane| self.neuron_place(member, plane, layer)))
        }
    }

    fn places(&self, member: usize, layer: &Layer) -> Vec<(Field, Arena, Place)> {
        let neurons = |plane| (Arena::Neurons, self.neuron_place(member, plane, layer));
        let rates = |plane| (Arena::Rates, self.rate_place(member, plane, layer));
        let weights = self.weight_place(member, 1, 0, layer);
        let mut places = vec![(Field::Weights, (Arena::Weights, weights)), (Field::One, neurons(Plane::Scale))];
        for plane in 0..self.memory {
            let place = self.weight_place(member, self.memory, plane, layer);
            places.push((Field::Memory(plane, self.memory), (Arena::Memory, place)));
        }
        if self.weight_scope {
            places.push((Field::Alpha0, rates(RatePlane::Alpha0)));
            places.push((Field::One, neurons(Plane::Alpha0)));
        } else {
            places.push((Field::Alpha0, neurons(Plane::Alpha0)));
        }
        if self.slots_per_weight {
            places.push((Field::One, neurons(Plane::Psi)));
            places.extend([
                (Field::Psi, rates(RatePlane::Psi)),
                (Field::Sum, rates(RatePlane::Sum)),
                (Field::Ticks, rates(RatePlane::Ticks)),
                (Field::Onset, rates(RatePlane::Onset)),
                (Field::Theta, rates(RatePlane::Theta)),
            ]);
        } else {
            places.extend([
                (Field::Psi, neurons(Plane::Psi)),
                (Field::Sum, neurons(Plane::Sum)),
                (Field::Carry, neurons(Plane::Carry)),
                (Field::Ticks, neurons(Plane::Ticks)),
                (Field::Onset, neurons(Plane::Onset)),
                (Field::Theta, neurons(Plane::Theta)),
                (Field::Armed, neurons(Plane::Armed)),
            ]);
        }
        places.into_iter().map(|(field, (arena, place))| (field, arena, place)).collect()
    }

    /// Members, planes and `vec4`s of a plane of an arena; a run without the arena has no planes.
    #[must_use]
    pub const fn arena_shape(&self, arena: Arena) -> [usize; 3] {
        let (planes, vec4s) = match arena {
            Arena::Weights => (1, self.weights4),
            Arena::Memory => (self.memory, self.weights4),
            // Every member's canary is in the head.
            Arena::Neurons => (1, self.layers.len() * WORDS / LANES + PLANES * self.neurons4),
            Arena::Rates => (if self.weight_scope { self.rate_planes } else { 0 }, self.weights4),
        };
        [self.members, planes, vec4s]
    }

    /// Lays `states` out with padding.
    #[must_use]
    pub fn pack(&self, states: &[MemberState]) -> Arenas {
        let floats = |arena| LANES * self.arena_shape(arena).into_iter().product::<usize>();
        let mut arenas = Arena::ALL.map(|arena| vec![0.0; floats(arena)]);
        for (member, state) in states.iter().enumerate() {
            for (layer, values) in self.layers.iter().zip(&state.layers) {
                for (field, arena, place) in self.places(member, layer) {
                    place.put(&mut arenas[arena as usize], &field.read(values, place.width));
                }
            }
        }
        arenas
    }

    /// The inverse of [`Self::pack`]; the running score lies elsewhere, see `report.rs`.
    #[must_use]
    pub fn unpack(&self, arenas: &Arenas, steps: u32, samples_since_tick: u64) -> Vec<MemberState> {
        let layer_state = |member: usize, layer: &Layer| {
            let (weights, width) = ((layer.n_in as usize + 1) * layer.n_out as usize, layer.n_out as usize);
            let slots = if self.slots_per_weight { weights } else { width };
            let mut values = LayerState {
                weights: vec![],
                memory: vec![0.0; self.memory * weights],
                alpha0: vec![],
                psi: vec![],
                slots: vec![Slot::default(); slots],
                observed: vec![[0.0; 2]; slots],
            };
            for (field, arena, place) in self.places(member, layer) {
                field.write(&mut values, place.width, place.get(&arenas[arena as usize]));
            }
            values
        };
        (0..self.members)
            .map(|member| MemberState {
                steps,
                samples_since_tick,
                running: RunningScore::default(),
                layers: self.layers.iter().map(|layer| layer_state(member, layer)).collect(),
            })
            .collect()
    }
}

impl Field {
    fn read(self, values: &LayerState, width: usize) -> Vec<f32> {
        let slots = |get: fn(&Slot) -> f32| values.slots.iter().map(get).collect();
        match self {
            Self::Weights => values.weights.clone(),
            Self::Memory(plane, planes) => {
                let rows = values.memory.chunks_exact(planes * width);
                rows.flat_map(|row| &row[plane * width..][..width]).copied().collect()
            }
            Self::Alpha0 => values.alpha0.clone(),
            Self::Psi => values.psi.clone(),
            Self::Sum => values.observed.iter().map(|pair| pair[0]).collect(),
            Self::Carry => values.observed.iter().map(|pair| pair[1]).collect(),
            Self::Ticks => slots(|slot| slot.n),
            Self::Onset => slots(|slot| slot.onset),
            Self::Theta => slots(|slot| slot.theta),
            Self::Armed => slots(|slot| slot.armed),
            Self::One => vec![1.0; width],
        }
    }

    fn write(self, values: &mut LayerState, width: usize, dense: Vec<f32>) {
        fn each<T>(targets: &mut [T], dense: &[f32], set: fn(&mut T, f32)) {
            targets.iter_mut().zip(dense).for_each(|(target, &value)| set(target, value));
        }
        match self {
            Self::Weights => values.weights = dense,
            Self::Memory(plane, planes) => {
                let rows = values.memory.chunks_exact_mut(planes * width);
                for (row, dense) in rows.zip(dense.chunks_exact(width)) {
                    row[plane * width..][..width].copy_from_slice(dense);
                }
            }
            Self::Alpha0 => values.alpha0 = dense,
            Self::Psi => values.psi = dense,
            Self::Sum => each(&mut values.observed, &dense, |pair, v| pair[0] = v),
            Self::Carry => each(&mut values.observed, &dense, |pair, v| pair[1] = v),
            Self::Ticks => each(&mut values.slots, &dense, |slot, v| slot.n = v),
            Self::Onset => each(&mut values.slots, &dense, |slot, v| slot.onset = v),
            Self::Theta => each(&mut values.slots, &dense, |slot, v| slot.theta = v),
            Self::Armed => each(&mut values.slots, &dense, |slot, v| slot.armed = v),
            Self::One => {}
        }
    }
}
