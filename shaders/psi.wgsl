// psi(alpha, theta_M), the research variable: when a learning rate starts to fall, and along which curve. Twin of
// src/rule/psi.rs: same functions, same order of operations. The including kernel owns buffers and launch.

// The state of psi for one observed variable.
struct Slot {
    n: f32,        // ticks since the trigger; 0 = not triggered
    onset: f32,    // the tick that triggered, from 1
    trigger: f32,  // theta_M now; in a replayed run, the tick that triggers
    armed: f32,    // 1 once the mean has exceeded theta_M
}

// sin(pi/2 u) for u in 0 ... 1, by its Taylor series. The built-in cos is not used, because WGSL allows it an error of
// 2^-11 and some drivers have such errors.
fn sin_quarter(u: f32) -> f32 {
    let u2 = u * u;
    var sum = 5.692172922e-8;
    sum = sum * u2 - 3.598843235e-6;
    sum = sum * u2 + 1.604411848e-4;
    sum = sum * u2 - 4.681754135e-3;
    sum = sum * u2 + 7.969262625e-2;
    sum = sum * u2 - 6.459640975e-1;
    return u * (sum * u2 + 1.570796327);
}

//% for decay in decays
const DECAY_{{ decay.name }} = {{ decay.number }}u;
//% if decay.name not in ["LINEAR", "LOG", "HYPERBOLIC", "COSINE", "STEP"]
{{ refuse("decay", decay.name) }}
//% endif
//% endfor

// alpha(n) / alpha0. The cosine, 1/2 (1 + cos(pi n/N)), is computed as sin^2(pi/2 (N - n)/N).
fn psi(member: Member, slot: Slot) -> f32 {
    if slot.n == 0.0 {
        return 1.0;
    }
    let ticks = select(member.last_tick - slot.onset + 1.0, member.decay_ticks, member.decay_ticks > 0.0);
    let progress = slot.n / ticks;
    if member.decay == DECAY_HYPERBOLIC {
        return pow(slot.n + 1.0, -member.decay_power);
    }
    // Past the end the curves are 0 by definition. The explicit 0 keeps rounding from leaving a small alpha.
    if member.decay == DECAY_STEP || slot.n >= ticks {
        return 0.0;
    }
    if member.decay == DECAY_LINEAR {
        return 1.0 - progress;
    }
    if member.decay == DECAY_COSINE {
        let s = sin_quarter((ticks - slot.n) / ticks);
        return s * s;
    }
    // The only one left is DECAY_LOG, because the list above refuses others.
    return max(1.0 - member.decay_scale * log(1.0 + member.decay_span * progress), 0.0);
}

// The slot after tick t, given the `mean` observed while alpha was alpha0 * factor. A slot whose psi is 0 no longer
// changes. Where a schedule has set alpha to 0 there is no delta to observe, so a mean of 0 must not trigger "below
// theta".
fn tick(member: Member, before: Slot, mean: f32, factor: f32, t: f32) -> Slot {
    if psi(member, before) == 0.0 {
        return before;
    }
    var slot = before;
    let below = member.comparison == BELOW;
    let unseen = below && factor == 0.0;
    let holds = !unseen && select(select(mean > slot.trigger, mean < slot.trigger, below), t >= slot.trigger, member.comparison == AT_TICK);
    let ready = t >= member.first_tick && (member.arm == 0u || slot.armed == 1.0);
    if slot.n > 0.0 {
        if member.gated == 0u || holds {
            slot.n += 1.0;
        }
    } else if holds && ready {
        slot.n = 1.0;
        slot.onset = t;
    }
    if unseen {
        return slot;
    }
    if mean > slot.trigger {
        slot.armed = 1.0;
    }
    if member.theta_rate > 0.0 {
        let aim = member.theta_lambda * mean;
        slot.trigger = select(slot.trigger + member.theta_rate * (aim - slot.trigger), aim, t == 1.0);
    }
    return slot;
}
