//! Translates one WGSL text with every compiler that wgpu uses, with wgpu-hal 30's options for unchecked modules.
//! Registers and buffer slots have the order of wgpu-hal. Each language has the oldest version that wgpu meets on
//! machines that can run homeostat, because each version contains the one before.

use homeostat::gpu::{Room, bindings, parse};
use naga::ResourceBinding;
use naga::back::{glsl, hlsl, msl, pipeline_constants, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::io::Write;
use std::process::{Command, Stdio};

/// The most buffers of a Metal kernel, constant buffers included.
const METAL_BUFFERS: u8 = 31;
/// A module that naga has parsed and validated.
pub struct Checked {
    pub module: naga::Module,
    info: ModuleInfo,
    /// Whether the text enables f16.
    half: bool,
    storage: Vec<homeostat::gpu::Binding>,
}

const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

fn place(number: u32) -> ResourceBinding {
    ResourceBinding { group: 0, binding: number }
}

/// Parses and validates a text like wgpu-core, with no capability beyond those that a run asks its adapter for.
pub fn check(text: &str) -> Result<Checked, String> {
    let half = text.starts_with("enable f16;");
    let module = parse(text).map_err(|e| e.to_string())?;
    let mut capabilities = Capabilities::IMMEDIATES;
    capabilities.set(Capabilities::SHADER_FLOAT16, half);
    let info =
        Validator::new(ValidationFlags::all(), capabilities).validate(&module).map_err(|e| e.emit_to_string(text))?;
    let storage = bindings(&module);
    Ok(Checked { module, info, half, storage })
}

impl Checked {
    /// Checks that the kernel stays within the limits that a run asks its adapter for.
    pub fn check_limits(&self, storage_buffers: usize) -> Result<(), String> {
        let storage = self.storage.iter().filter(|b| b.kind != wgpu::BufferBindingType::Uniform).count();
        if storage > storage_buffers {
            return Err(format!("{storage} storage buffers instead of {storage_buffers}"));
        }
        let shared = self.module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| self.module.types[v.ty].inner.size(self.module.to_ctx())).sum();
        if bytes as usize > Room::MOST.bytes {
            return Err(format!("{bytes} bytes of workgroup memory"));
        }
        match self.module.entry_points.iter().map(|e| e.workgroup_size.iter().product::<u32>()).max() {
            Some(size) if size as usize <= Room::MOST.invocations => Ok(()),
            size => Err(format!("workgroups of {size:?}")),
        }
    }

    /// Refuses a store to a component of a local or private vector whose index is computed at run time. FXC, the compiler that
    /// wgpu uses on DX12 where there is no DXC, does not compile such stores.
    pub fn check_stores(&self) -> Result<(), String> {
        use naga::{Expression, Statement, TypeInner};
        fn stores(block: &naga::Block, found: &mut Vec<naga::Handle<Expression>>) {
            for statement in block {
                match statement {
                    Statement::Store { pointer, .. } => found.push(*pointer),
                    Statement::Block(block) => stores(block, found),
                    Statement::If { accept, reject, .. } => [accept, reject].into_iter().for_each(|b| stores(b, found)),
                    Statement::Loop { body, continuing, .. } => {
                        [body, continuing].into_iter().for_each(|b| stores(b, found));
                    }
                    Statement::Switch { cases, .. } => cases.iter().for_each(|case| stores(&case.body, found)),
                    _ => {}
                }
            }
        }
        let functions = self.module.functions.iter().map(|(handle, function)| (function, &self.info[handle]));
        let entries = self.module.entry_points.iter().enumerate();
        let entries = entries.map(|(place, entry)| (&entry.function, self.info.get_entry_point(place)));
        for (function, info) in functions.chain(entries) {
            let is_local = |mut place| loop {
                match function.expressions[place] {
                    Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => place = base,
                    Expression::LocalVariable(_) => return true,
                    Expression::GlobalVariable(variable) => {
                        return self.module.global_variables[variable].space == naga::AddressSpace::Private;
                    }
                    _ => return false,
                }
            };
            let mut found = vec![];
            stores(&function.body, &mut found);
            for pointer in found {
                let Expression::Access { base, .. } = function.expressions[pointer] else { continue };
                let TypeInner::Pointer { base: whole, .. } = *info[base].ty.inner_with(&self.module.types) else {
                    continue;
                };
                if matches!(self.module.types[whole].inner, TypeInner::Vector { .. }) && is_local(base) {
                    return Err(format!(
                        "{:?} stores to a component of a local vector whose index is computed",
                        function.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// Translates the kernel to SPIR-V, and to `all` languages. Returns the SPIR-V for [`spirv_val`].
    pub fn translate(&self, entry_point: &str, all: bool) -> Result<Vec<u32>, String> {
        let entry = Some((naga::ShaderStage::Compute, entry_point));
        let (module, info) =
            pipeline_constants::process_overrides(&self.module, &self.info, entry, &Default::default())
                .map_err(|e| format!("overrides: {e}"))?;
        if all {
            self.msl(&module, &info, entry_point)?;
            self.hlsl(&module, &info, entry_point)?;
        }
        // GL has no half precision.
        if all && !self.half {
            self.glsl(&module, &info, entry_point)?;
        }
        self.spirv(&module, &info, entry_point)
    }

    fn spirv(&self, module: &naga::Module, info: &ModuleInfo, entry_point: &str) -> Result<Vec<u32>, String> {
        use spv::Capability as C;
        let mut capabilities =
            vec![C::Shader, C::Matrix, C::Sampled1D, C::Image1D, C::ImageQuery, C::DerivativeControl];
        capabilities.push(C::StorageImageExtendedFormats);
        if self.half {
            capabilities.push(C::Float16);
        }
        // Vulkan 1.3 drivers also have these, and naga uses them.
        capabilities.extend([C::DotProductInputAllKHR, C::DotProductInput4x8BitKHR]);
        capabilities.extend([C::DotProductInput4x8BitPackedKHR, C::DotProductKHR, C::Int8]);
        let binding_map = self.storage.iter().map(|b| {
            let info = spv::BindingInfo { descriptor_set: 0, binding: b.number, ..Default::default() };
            (place(b.number), info)
        });
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
            fake_missing_bindings: false,
            binding_map: binding_map.collect(),
            capabilities: Some(capabilities.into_iter().collect()),
            bounds_check_policies: UNCHECKED,
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..Default::default()
        };
        let pipeline =
            spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: entry_point.to_owned() };
        spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| format!("SPIR-V: {e}"))
    }

    fn msl(&self, module: &naga::Module, info: &ModuleInfo, entry_point: &str) -> Result<(), String> {
        // Slot 0 is for the immediates, the last slot for the sizes of the buffers.
        let target = |(slot, binding): (usize, &homeostat::gpu::Binding)| {
            let mutable = binding.kind == wgpu::BufferBindingType::Storage { read_only: false };
            (place(binding.number), msl::BindTarget { buffer: Some(slot as u8 + 1), mutable, ..Default::default() })
        };
        let sizes = self.storage.len() as u8 + 1;
        if sizes >= METAL_BUFFERS {
            return Err(format!("MSL: {sizes} buffers"));
        }
        let resources = msl::EntryPointResources {
            resources: self.storage.iter().enumerate().map(target).collect(),
            immediates_buffer: Some(0),
            sizes_buffer: Some(sizes),
        };
        let options = msl::Options {
            lang_version: (2, 4),
            fake_missing_bindings: false,
            per_entry_point_map: [(entry_point.to_owned(), resources)].into(),
            bounds_check_policies: UNCHECKED,
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((naga::ShaderStage::Compute, entry_point.to_owned())),
            vertex_pulling_transform: true,
            ..Default::default()
        };
        let (_, names) = msl::write_string(module, info, &options, &pipeline).map_err(|e| format!("MSL: {e}"))?;
        match &names.entry_point_names[..] {
            [Ok(_)] => Ok(()),
            names => Err(format!("MSL: {names:?}")),
        }
    }

    fn hlsl(&self, module: &naga::Module, info: &ModuleInfo, entry_point: &str) -> Result<(), String> {
        use wgpu::BufferBindingType::{Storage, Uniform};
        // The immediates are the first constant buffer. b, t and u registers are counted separately.
        let mut registers = [1, 0, 0];
        let mut target = |binding: &homeostat::gpu::Binding| {
            let kind = match binding.kind {
                Uniform => 0,
                Storage { read_only: true } => 1,
                Storage { read_only: false } => 2,
            };
            let register = registers[kind];
            registers[kind] += 1;
            (place(binding.number), hlsl::BindTarget { register, restrict_indexing: true, ..Default::default() })
        };
        let binding_map = self.storage.iter().map(&mut target).collect();
        let options = hlsl::Options {
            shader_model: if self.half { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V6_0 },
            binding_map,
            fake_missing_bindings: false,
            special_constants_binding: Some(hlsl::BindTarget { register: registers[0], ..Default::default() }),
            immediates_target: Some(hlsl::BindTarget::default()),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: false,
            force_loop_bounding: false,
            ..Default::default()
        };
        let pipeline =
            hlsl::PipelineOptions { entry_point: Some((naga::ShaderStage::Compute, entry_point.to_owned())) };
        let mut text = String::new();
        let names = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(module, info, None)
            .map_err(|e| format!("HLSL: {e}"))?;
        match &names.entry_point_names[..] {
            [Ok(_)] => Ok(()),
            names => Err(format!("HLSL: {names:?}")),
        }
    }

    fn glsl(&self, module: &naga::Module, info: &ModuleInfo, entry_point: &str) -> Result<(), String> {
        let slots = self.storage.iter().enumerate().map(|(slot, b)| (place(b.number), slot as u8));
        let options = glsl::Options {
            version: glsl::Version::Embedded { version: 310, is_webgl: false },
            writer_flags: glsl::WriterFlags::ADJUST_COORDINATE_SPACE | glsl::WriterFlags::FORCE_POINT_SIZE,
            binding_map: slots.collect(),
            zero_initialize_workgroup_memory: false,
        };
        let pipeline = glsl::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: entry_point.to_owned(),
            multiview: None,
        };
        let mut text = String::new();
        glsl::Writer::new(&mut text, module, info, &options, &pipeline, UNCHECKED)
            .and_then(|mut writer| writer.write())
            .map(|_| ())
            .map_err(|e| format!("GLSL: {e}"))
    }
}

/// Validates SPIR-V with Khronos's validator.
pub fn spirv_val(words: &[u32]) -> Result<(), String> {
    let mut child = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.3", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shader tests need spirv-val; tests/run.sh installs Debian's spirv-tools");
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let written = child.stdin.take().expect("piped").write_all(&bytes);
    let output = child.wait_with_output().and_then(|output| written.map(|()| output)).map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if output.status.success() { Ok(()) } else { Err(format!("spirv-val: {said}")) }
}
