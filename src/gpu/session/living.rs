//! Keeps the [arrangement](crate::gpu::arrangement) of the layers in step with what ψ has frozen, and fills the activation
//! cache.

use super::session::Session;
use super::state::{of, pack, unpack};
use crate::config::Clock;
use crate::error::Result;
use crate::gpu::arrangement::{Permits, Stored, arrange, meets, passes, tighten};
use crate::gpu::launch::Kernel;
use crate::gpu::layout::{CanaryRecord, Flag, Layer, Layout, Plane, Step};
use crate::gpu::memory::table::{Role, Run, Use};
use crate::rule::member::Trigger;
use crate::rule::psi::{self, Slot};
use crate::train::living::{Need, needs};
use crate::train::population::Population;
use crate::train::state::{LayerState, MemberState};
use std::sync::Arc;

/// The share of the forward and backward passes that another arrangement must save. A change has a price: it reads and writes
/// the whole state, and fills the cache by a pass over all rows.
const WORTH: f64 = 0.1;

/// The needs of a layer until the host next reads ψ, at the end of the epoch.
fn layer_needs(population: &Population, member: usize, layer: &LayerState, n_out: usize) -> Vec<Need> {
    let (config, settings) = (&population.configs[member], &population.members[member]);
    let mut layer = LayerState { weights: vec![], memory: vec![], observed: vec![], ..layer.clone() };
    if config.schedule.curve.rises() && config.rule.clock != Clock::Epoch {
        // A tick within the epoch may thaw what a schedule has frozen, but nothing that ψ itself has frozen.
        for (factor, slot) in layer.psi.iter_mut().zip(&layer.slots) {
            *factor = if psi::psi(settings, slot) == 0.0 { 0.0 } else { 1.0 };
        }
    }
    let mut found = needs(config, settings, &layer, n_out);
    if layer.alpha0.len() > n_out {
        // In weight scope kernels look at ψ alone.
        let columns = found.iter_mut().zip(&layer.psi);
        columns.filter(|(_, factor)| **factor != 0.0).for_each(|(need, _)| *need = Need::Learns);
    }
    found
}

/// The needs of all layers of a member.
fn member_needs(population: &Population, member: usize, layers: &[LayerState]) -> Vec<Vec<Need>> {
    let shapes = population.topology.shapes().zip(layers);
    shapes.map(|((_, n_out), layer)| layer_needs(population, member, layer, n_out)).collect()
}

impl Session {
    /// Whether what a step computes depends on what is frozen. The persistent kernel computes all but gradients.
    const fn arranges(&self) -> bool {
        self.layout.permits.skips && self.plan.persistent.is_none()
    }

    /// What may be left out for a member.
    fn permits(&self, member: usize) -> Permits {
        let permits = self.layout.permits;
        Permits { caches: permits.caches && !self.broken[member], ..permits }
    }

    /// Arranges the layers for a state that is about to be written.
    pub(super) fn arrange_anew(&mut self, state: &[MemberState]) {
        let layers = self.layout.layers.len();
        self.broken = vec![false; state.len()];
        self.passes = vec![0.0; state.len()];
        self.worked = vec![0; state.len() * layers];
        (self.trained, self.ticked) = (0, false);
        let population = Arc::clone(&self.population);
        let arranged = |(member, state): (usize, &MemberState)| match self.arranges() {
            true => arrange(&member_needs(&population, member, &state.layers), self.permits(member)),
            false => population.topology.shapes().map(|(_, n_out)| Stored::whole(n_out)).collect(),
        };
        let arrangement = state.iter().enumerate().map(arranged).collect();
        self.adopt_arrangement(arrangement);
    }

    /// Takes an arrangement over. Until the cache is filled, every net is computed.
    fn adopt_arrangement(&mut self, arrangement: Vec<Vec<Stored>>) {
        self.unfilled = arrangement.iter().flatten().any(|layer| layer.cached);
        self.layout.arrangement = Arc::new(arrangement);
        self.regroup();
    }

    /// Fits the update dispatch to the arrangement. All recorded work must have been submitted.
    fn regroup(&mut self) {
        self.layout.regroup(&self.plan);
        let run = Run { population: &self.population, layout: &self.layout };
        self.buffers.write_tables(&self.context, &run);
    }

    /// Arranges the layers anew if newly frozen neurons save enough work, or if a neuron has thawed.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn rearrange(&mut self) -> Result<()> {
        if !self.arranges() {
            return Ok(());
        }
        let neurons = self.read(Role::Neurons).await?;
        let population = Arc::clone(&self.population);
        let inputs = population.data.features;
        let mut arrangement = (*self.layout.arrangement).clone();
        let mut changes = false;
        for (member, stored) in arrangement.iter_mut().enumerate() {
            let needs =
                member_needs(&population, member, &rates_of(&self.layout, member, &self.alpha0[member], &neurons));
            let better = arrange(&needs, self.permits(member));
            let saves = passes(&better, inputs) <= (1.0 - WORTH) * passes(stored, inputs);
            if saves || !meets(stored, &needs) {
                *stored = better;
                changes = true;
            } else {
                tighten(stored, &needs);
            }
        }
        self.ticked = false;
        if changes {
            return self.reorder(arrangement).await;
        }
        if arrangement != *self.layout.arrangement {
            self.layout.arrangement = Arc::new(arrangement);
            self.regroup();
        }
        self.fill_cache().await
    }

    /// Before training: arranges the layers anew if a tick may have thawed neurons, and fills the cache.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        let may_have_thawed = self
            .population
            .configs
            .iter()
            .any(|config| config.schedule.curve.rises() && config.rule.clock == Clock::Epoch);
        if self.ticked && may_have_thawed { self.rearrange().await } else { self.fill_cache().await }
    }

    /// [`Flag::Cached`] for a pass over training or validation rows, once the cache is filled.
    pub(super) const fn cached(&self) -> u32 {
        if self.unfilled { 0 } else { Flag::Cached.bit() }
    }

    /// Moves the state on the device into another arrangement.
    async fn reorder(&mut self, arrangement: Vec<Vec<Stored>>) -> Result<()> {
        let mut floats = self.read_floats().await?;
        let canary = self.layout.canary_bytes() / size_of::<f32>();
        let head = of(&mut floats, Role::Neurons)[..canary].to_vec();
        let states = unpack(&self.layout, floats, self.steps, self.samples_since_tick);
        self.adopt_arrangement(arrangement);
        let mut floats = pack(&Run { population: &self.population, layout: &self.layout }, &states);
        of(&mut floats, Role::Neurons)[..canary].copy_from_slice(&head);
        self.write_floats(&floats);
        self.list().await?;
        self.fill_cache().await
    }

    /// Records the listing of the columns that learn, in runs that leave columns out.
    pub(super) async fn list(&mut self) -> Result<()> {
        match self.layout.permits.skips {
            true => self.launch(Kernel::List, Use::Training, self.training_step(0)).await,
            false => Ok(()),
        }
    }

    /// Whether a kernel of a step or of an evaluation has anything to do.
    pub(super) fn is_needed(&self, kernel: Kernel) -> bool {
        match kernel {
            Kernel::Assemble(l) => self.layout.arrangement.iter().any(|layers| layers[l].packed),
            _ => true,
        }
    }

    /// Counts the passes of a training step over this many samples.
    pub(super) fn count(&mut self, samples: u64) {
        let inputs = self.population.data.features;
        self.trained += samples;
        for (sum, layers) in self.passes.iter_mut().zip(&*self.layout.arrangement) {
            *sum += passes(layers, inputs) * samples as f64;
        }
    }

    /// Fills the cache with the answers of the layers that are to be cached, if it is not filled yet. This needs an order of
    /// the rows.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) async fn fill_cache(&mut self) -> Result<()> {
        if !self.unfilled || !self.ordered {
            return Ok(());
        }
        let wanted = |l: usize| self.layout.arrangement.iter().any(|layers| layers[l].cached);
        let cached: Vec<bool> = (0..self.layout.layers.len()).map(wanted).collect();
        let top = cached.iter().rposition(|&cached| cached).map_or(0, |top| top + 1);
        // Only training keeps net.
        let keeps_net = self.layout.cache4 > self.layout.cache_y4;
        let (purpose, batch, flags) = match keeps_net {
            true => (Use::Training, self.layout.batch_size, Flag::Training.bit() | Flag::Fill.bit()),
            false => (Use::Evaluation, self.layout.evaluation_batch, Flag::Fill.bit()),
        };
        let rows = self.population.train_rows() + self.population.validation_rows();
        for first in (0..rows).step_by(batch) {
            let samples = batch.min(rows - first);
            let step = Step {
                batch_start: first as u32,
                batch_len: samples as u32,
                number: self.steps,
                flags,
                ..Default::default()
            };
            for (l, &stores) in cached[..top].iter().enumerate() {
                self.launch(Kernel::Forward(l), purpose, step).await?;
                if self.is_needed(Kernel::Assemble(l)) {
                    self.launch(Kernel::Assemble(l), purpose, step).await?;
                }
                if stores {
                    self.launch(Kernel::Store(l), purpose, step).await?;
                }
            }
        }
        self.unfilled = false;
        self.refuse_broken().await
    }

    /// Stops using the cache for members in which it met a non-finite net.
    async fn refuse_broken(&mut self) -> Result<()> {
        let floats = self.layout.canary_bytes() / size_of::<f32>();
        let copy = self.copy_back(&[(Role::Neurons, 0, floats)], None).await?;
        let arrived = copy.take(&self.context).await?;
        self.staging.push(arrived.staging);
        let layers = self.layout.layers.len();
        let is_broken = |records: &[CanaryRecord]| records.iter().any(|record| record.broken != 0);
        let broken: Vec<bool> = arrived.records.chunks_exact(layers).map(is_broken).collect();
        let mut arrangement = (*self.layout.arrangement).clone();
        let mut changes = false;
        for (member, stored) in arrangement.iter_mut().enumerate() {
            if broken[member] && stored.iter().any(|layer| layer.cached) {
                self.broken[member] = true;
                changes = true;
                for layer in stored {
                    // Only the order of the columns stays.
                    (layer.nets, layer.cached) = (layer.n_out, false);
                    layer.packed = layer.order.is_some();
                }
            }
        }
        if !changes {
            return Ok(());
        }
        self.layout.arrangement = Arc::new(arrangement);
        let record = |m: usize| (0..layers).map(move |l| (m, l));
        let records: Vec<_> =
            (0..self.layout.members).flat_map(record).map(|(m, l)| self.layout.living(m, l)).collect();
        let buffer = self.buffers.get(Role::Neurons).expect("every run has neurons");
        self.queue.submit(&self.context).await?;
        self.context.queue.write_buffer(buffer, self.layout.living_place() as u64, bytemuck::cast_slice(&records));
        Ok(())
    }
}

/// Rates and slots of a member's layers, by the neuron arena on the device.
fn rates_of(layout: &Layout, member: usize, alpha0: &[Vec<f32>], neurons: &[f32]) -> Vec<LayerState> {
    let layer = |(layer, alpha0): (&Layer, &Vec<f32>)| {
        let plane = |plane| layout.neuron_place(member, plane, layer).get(neurons);
        let [ticks, onsets, triggers, armed] = [Plane::Ticks, Plane::Onset, Plane::Trigger, Plane::Armed].map(plane);
        let slot = |i: usize| Slot {
            n: ticks[i],
            onset: onsets[i],
            trigger: Trigger::threshold(triggers[i]),
            armed: armed[i],
        };
        LayerState {
            weights: vec![],
            memory: vec![],
            alpha0: alpha0.clone(),
            psi: plane(Plane::Psi),
            slots: (0..ticks.len()).map(slot).collect(),
            observed: vec![],
        }
    };
    layout.layers.iter().zip(alpha0).map(layer).collect()
}
