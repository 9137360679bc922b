//! Converts between [`MemberState`], which has no padding, and the padded buffers of training state. Only
//! [`Layout::places`] decides which value lies where, so packing and unpacking agree.

use super::canary::Canary;
use super::report;
use super::session::Session;
use crate::error::Result;
use crate::gpu::launch::Kernel;
use crate::gpu::layout::{CanaryRecord, Layer, Layout, Plane, RatePlane, Step};
use crate::gpu::memory::place::Place;
use crate::gpu::memory::table::{Role, Run, Use};
use crate::rule::member::{Member, Trigger};
use crate::rule::psi::{self, Slot};
use crate::train::state::{LayerState, MemberState, RunningScore};
use std::ops::Range;

/// The floats of the buffers of training state, each with its [`Role`]; empty for a buffer that the run does not have.
pub type Floats = Vec<(Role, Vec<f32>)>;

/// The floats of one buffer.
pub fn of(floats: &mut Floats, role: Role) -> &mut Vec<f32> {
    let found = floats.iter_mut().find(|(other, _)| *other == role);
    &mut found.expect("every buffer of training state is there").1
}

/// One array of a [`LayerState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Weights,
    /// The first number is the plane of the rule's memory, the second the number of planes.
    Memory(usize, usize),
    Alpha0,
    Psi,
    Sum,
    Carry,
    Ticks,
    Onset,
    Trigger,
    Armed,
    /// No field: 1, in planes that the shaders multiply by but that the state does not contain.
    One,
}

impl Layout {
    /// Every array of a layer's state, with its buffer and place.
    fn places(&self, member: usize, layer: &Layer) -> Vec<(Field, Role, Place<'_>)> {
        let neurons = |plane| (Role::Neurons, self.neuron_place(member, plane, layer));
        let rates = |plane| (Role::Rates, self.rate_place(member, plane, layer));
        let weights = self.weight_place(member, (0, 1), layer);
        let mut places = vec![(Field::Weights, (Role::Weights, weights)), (Field::One, neurons(Plane::Scale))];
        for plane in 0..self.memory {
            let place = self.weight_place(member, (plane, self.memory), layer);
            places.push((Field::Memory(plane, self.memory), (Role::Memory, place)));
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
                (Field::Trigger, rates(RatePlane::Trigger)),
            ]);
        } else {
            places.extend([
                (Field::Psi, neurons(Plane::Psi)),
                (Field::Sum, neurons(Plane::Sum)),
                (Field::Carry, neurons(Plane::Carry)),
                (Field::Ticks, neurons(Plane::Ticks)),
                (Field::Onset, neurons(Plane::Onset)),
                (Field::Trigger, neurons(Plane::Trigger)),
                (Field::Armed, neurons(Plane::Armed)),
            ]);
        }
        places.into_iter().map(|(field, (role, place))| (field, role, place)).collect()
    }
}

impl Layout {
    /// Writes into the neuron arena what kernels read beside the state: the [arrangement](Layout::arrangement), and lists
    /// of all columns, for runs that leave none out.
    fn pack_head(&self, neurons: &mut [f32]) {
        let head = self.living_place() / size_of::<f32>();
        for (member, stored) in self.arrangement.iter().enumerate() {
            for (l, (layer, stored)) in self.layers.iter().zip(stored).enumerate() {
                let record = member * self.layers.len() + l;
                let canary = CanaryRecord { listed: layer.out4, ..CanaryRecord::default() };
                let floats: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&canary));
                neurons[record * floats.len()..][..floats.len()].copy_from_slice(floats);
                let living = self.living(member, l);
                let floats: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&living));
                neurons[head + record * floats.len()..][..floats.len()].copy_from_slice(floats);
                let mut plane = |plane: Plane, values: &mut dyn Iterator<Item = usize>| {
                    let first = self.neuron_place(member, plane, layer).first;
                    values.enumerate().for_each(|(column, value)| neurons[first + column] = value as f32);
                };
                plane(Plane::List, &mut (0..layer.out4 as usize));
                let mut columns = vec![0; stored.n_out];
                (0..stored.n_out).for_each(|column| columns[stored.neuron(column)] = column);
                plane(Plane::Order, &mut (0..stored.n_out).map(|column| stored.neuron(column)));
                plane(Plane::Column, &mut columns.into_iter());
            }
        }
    }
}

/// Packs `states` into buffers with padding.
pub fn pack(run: &Run<'_>, states: &[MemberState]) -> Floats {
    let layout = run.layout;
    let mut floats: Floats = Role::state().map(|role| (role, vec![0.0; role.floats(run)])).collect();
    for (member, state) in states.iter().enumerate() {
        for (layer, values) in layout.layers.iter().zip(&state.layers) {
            for (field, role, place) in layout.places(member, layer) {
                place.put(of(&mut floats, role), &field.read(values, place.width));
            }
        }
    }
    layout.pack_head(of(&mut floats, Role::Neurons));
    floats
}

/// The inverse of [`pack`], without the running score, which [`report`] unpacks.
pub fn unpack(layout: &Layout, mut floats: Floats, steps: u32, samples_since_tick: u64) -> Vec<MemberState> {
    let mut layer_state = |member: usize, layer: &Layer| {
        let (weights, width) = ((layer.n_in as usize + 1) * layer.n_out as usize, layer.n_out as usize);
        let slots = if layout.slots_per_weight { weights } else { width };
        let mut values = LayerState {
            weights: vec![],
            memory: vec![0.0; layout.memory * weights],
            alpha0: vec![],
            psi: vec![],
            slots: vec![Slot::default(); slots],
            observed: vec![[0.0; 2]; slots],
        };
        for (field, role, place) in layout.places(member, layer) {
            field.write(&mut values, place.width, place.get(of(&mut floats, role)));
        }
        values
    };
    (0..layout.members)
        .map(|member| MemberState {
            steps,
            samples_since_tick,
            running: RunningScore::default(),
            layers: layout.layers.iter().map(|layer| layer_state(member, layer)).collect(),
        })
        .collect()
}

/// Sets the observed sums of all slots with ψ = 0 to 0. No tick reads these sums, and kernels need not add to them.
fn forget(settings: &Member, layer: &mut LayerState) {
    let slots = layer.psi.iter().zip(&layer.slots).zip(&mut layer.observed);
    slots.for_each(|((&factor, slot), observed)| {
        if factor == 0.0 && psi::psi(settings, slot) == 0.0 {
            *observed = [0.0; 2];
        }
    });
}

impl Session {
    /// Fills these floats with their values, after all recorded work.
    ///
    /// # Errors
    /// If the device fails.
    async fn fill(&mut self, values: &[(Role, Range<usize>, f32)]) -> Result<()> {
        self.queue.submit(&self.context).await?;
        for (role, floats, value) in values {
            let Some(buffer) = self.buffers.get(*role) else { continue };
            let (floats, first) = (vec![*value; floats.len()], floats.start * size_of::<f32>());
            self.context.queue.write_buffer(buffer, first as u64, bytemuck::cast_slice(&floats));
        }
        Ok(())
    }

    /// The buffers of training state as they are on the device.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) async fn read_floats(&mut self) -> Result<Floats> {
        let mut floats = vec![];
        for role in Role::state() {
            floats.push((role, self.read(role).await?));
        }
        Ok(floats)
    }

    /// Replaces whole buffers. All recorded work must have been submitted.
    pub(super) fn write_floats(&self, floats: &[(Role, Vec<f32>)]) {
        for (role, floats) in floats {
            if let Some(buffer) = self.buffers.get(*role) {
                self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(floats));
            }
        }
    }

    /// The means observed over the samples up to the last tick: per member, per layer, per slot.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn observed_means(&mut self) -> Result<Vec<Vec<Vec<f32>>>> {
        let role = if self.layout.slots_per_weight { Role::Rates } else { Role::Neurons };
        let floats = self.read(role).await?;
        let samples = self.samples_at_tick as f32;
        let mean = |member: usize, layer: &Layer| {
            let (_, [_, sums, _]) = self.layout.slot_places(member, layer);
            sums.get(&floats).into_iter().map(|sum| sum / samples).collect()
        };
        let member = |m| self.layout.layers.iter().map(|layer| mean(m, layer)).collect();
        Ok((0..self.layout.members).map(member).collect())
    }

    /// Sets θ_M of every slot of a layer: `theta[member][layer]`. `None` keeps the member's thresholds.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn set_theta(&mut self, theta: &[Option<Vec<f32>>]) -> Result<()> {
        let layout = &self.layout;
        let values = theta.iter().enumerate().flat_map(|(member, layers)| {
            layout.layers.iter().zip(layers.iter().flatten()).map(move |(layer, &value)| {
                let (role, [.., place]) = layout.slot_places(member, layer);
                (role, place.floats(), value)
            })
        });
        let values: Vec<_> = values.collect();
        self.fill(&values).await
    }

    /// Sets the factor by which ψ is multiplied from the next tick on: `scale[member][layer]`.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn set_scale(&mut self, scale: &[Vec<f32>]) -> Result<()> {
        let layout = &self.layout;
        let values = scale.iter().enumerate().flat_map(|(member, layers)| {
            let place = move |layer| layout.neuron_place(member, Plane::Scale, layer).floats();
            layout.layers.iter().zip(layers).map(move |(layer, &value)| (Role::Neurons, place(layer), value))
        });
        let values: Vec<_> = values.collect();
        self.fill(&values).await
    }

    /// The complete training state, one entry per member.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn state(&mut self) -> Result<Vec<MemberState>> {
        let floats = self.read_floats().await?;
        let mut states = unpack(&self.layout, floats, self.steps, self.samples_since_tick);
        for (state, settings) in states.iter_mut().zip(&self.population.members) {
            state.layers.iter_mut().for_each(|layer| forget(settings, layer));
        }
        if self.running_samples > 0 {
            let scores = self.read(Role::Scores).await?;
            let running = report::unpack_running(&self.layout, &scores, self.running_samples);
            states.iter_mut().zip(running).for_each(|(state, running)| state.running = running);
        }
        Ok(states)
    }

    /// Replaces the complete training state. `state` must have the population's shape.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn set_state(&mut self, state: &[MemberState]) -> Result<()> {
        self.queue.finish(&self.context).await?;
        self.arrange_anew(state);
        let floats = pack(&Run { population: &self.population, layout: &self.layout }, state);
        self.write_floats(&floats);
        self.write_floats(&[(Role::Scores, report::pack_running(&self.layout, state))]);
        self.canary = Canary::new(self.layout.layers.len());
        let alpha0 = |state: &MemberState| state.layers.iter().map(|layer| layer.alpha0.clone()).collect();
        self.alpha0 = state.iter().map(alpha0).collect();
        self.steps = state[0].steps;
        self.samples_since_tick = state[0].samples_since_tick;
        self.running_samples = state[0].running.samples;
        self.list().await?;
        if self.plan.halves() > 0 {
            self.launch(Kernel::Halve, Use::Training, Step::default()).await?;
        }
        self.context.check()
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
            Self::Trigger => slots(|slot| slot.trigger.value()),
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
            Self::Trigger => each(&mut values.slots, &dense, |slot, v| slot.trigger = Trigger::threshold(v)),
            Self::Armed => each(&mut values.slots, &dense, |slot, v| slot.armed = v),
            Self::One => {}
        }
    }
}
