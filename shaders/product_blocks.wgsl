//# Part of a product whose workgroups own blocks of {{ 4 * rows4 }} x {{ 4 * columns4 }} outputs: how many there are, and where each begins.

// Workgroups that cover height x width4 outputs.
fn {{ op }}product_groups(height: u32, width4: u32) -> u32 {
    return (height + {{ 4 * rows4 - 1 }}u) / {{ 4 * rows4 }}u * ((width4 + {{ columns4 - 1 }}u) / {{ columns4 }}u);
}

// The first output of a workgroup, its row and its column counted in fours.
fn {{ op }}product_block(group: u32, width4: u32) -> vec2<u32> {
    let blocks_n = (width4 + {{ columns4 - 1 }}u) / {{ columns4 }}u;
    return vec2<u32>((group / blocks_n) * {{ rows4 }}u, (group % blocks_n) * {{ columns4 }}u);
}

