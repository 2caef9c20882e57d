--- What no device tells and a person writes down: coil, waveform, hotspot, EMG, the participant's age. The
--- file of --meta is one JSON object of these keys; the record keeps it, and methods and exports say it.
local cjson = require "cjson.safe"
local escapes = require "moonpulse.text.escapes"
local in_order = require "moonpulse.text.in_order"
local text_files = require "moonpulse.text.text_file"

local M = {}

---@class moonpulse.Said
---@field value string
---@field source "device"|"operator"

--- A threshold that an earlier run found: cli/earlier_threshold.lua takes it.
---@class moonpulse.TakenThreshold
---@field run string name of that run's folder
---@field date string on which it began
---@field how string? the method
---@field why string what took it: "--rmt last", or the operator's answer

-- of the device: it may say them itself, and then its word counts
M.of_device = { "waveform", "current_direction", "mode", "coil" }

--- The keys and what each is for: the items that Chipchase 2012 (Clin Neurophysiol 123:1698) and the TMS-RAT
--- (Székely 2026, Brain Stimulation 19:103155) ask for, and what a repetition needs.
M.keys = {
  { "coil", "maker and model, such as MagVenture MCF-B65" },
  { "coil_shape", "figure-of-eight, circular, double cone, H" },
  { "coil_serial", "its serial number" }, { "coil_diameter", "of one wing of a figure of eight" },
  { "waveform", "pulse shape: biphasic, monophasic, half sine" },
  { "pulse_width_us", "length of a pulse in microseconds" },
  { "current_direction", "of the current in the brain (posterior-anterior) or the coil (normal, reverse)" },
  { "mode", "of the stimulator: standard, power, twin" },
  { "stimulator", "make and model, if it says nothing of itself" },
  { "serial", "its serial number, if it does not say it" },
  { "firmware", "its version, if it does not say it" },
  { "nerve_stimulator", "make and model, electrodes, pulse width and how its intensity was found" },
  { "trigger_source", "what sent the triggers that a script waits for, and the time from trigger to pulse" },
  { "target", "the site that was stimulated" },
  { "hotspot", "how it was found" },
  { "coil_location", "how the coil was placed and held, with or without navigation" },
  { "coil_stability", "how the coil was kept in place" },
  { "coil_orientation", "how the handle pointed, such as backwards, 45 degrees from the midline" },
  { "navigation", "system and version" },
  { "emg_electrodes", "position and contact" },
  { "emg_electrode_type", "of the EMG electrodes: material and size" },
  { "emg_montage", "of the EMG: such as belly-tendon, and the ground" },
  { "emg_hardware", "the EMG amplifier: make and model" }, { "emg_software", "and its version" },
  { "emg_filters", "of the EMG: sampling rate and filters" },
  { "skin_preparation", "for the EMG electrodes" },
  { "muscle", "whose response was looked at" },
  { "rmt_method", "how the resting motor threshold was found: criterion, algorithm, by EMG or by eye" },
  { "rmt_date", "when, as 2026-11-27" },
  { "amt_method", "how the active motor threshold was found" },
  { "amt_date", "when" },
  { "threshold_method", "how both were found" },
  { "threshold_type", "resting or active" },
  { "threshold_location", "the muscle, or the site, that they were measured at" },
  { "threshold_criterion", "which response counted, and how often it had to come" },
  { "threshold_algorithm", "the way to them: steps, a staircase, maximum likelihood" },
  { "contraction", "of the target muscle" },
  { "prior_activity", "what the muscle did before" },
  { "relaxation", "how the relaxation of other muscles was seen to" },
  { "attention", "or arousal, of the participant" },
  { "age", "in years" }, { "sex", "" }, { "handedness", "and by which scale" },
  { "height", "of the participant" }, { "weight", "of the participant" },
  { "medication", "prescribed" }, { "cns_drugs", "drugs that act on the brain" },
  { "disorders", "neurological and psychiatric" }, { "medical_conditions", "" },
  { "motor_activity", "history of repetitive motor activity" },
  { "cognitive_state", "how it was assessed" }, { "sleep", "how long or how well the participant had slept" },
  { "posture", "how the participant sat or lay" },
  { "studies", "how many experiments there were" }, { "population", "who was recruited, and where" },
  { "groups", "of participants: how many, and how large" }, { "time_of_day", "when the sessions were" },
  { "sessions", "how many each participant had, and which this was" },
  { "test_days", "time between them" }, { "session_duration", "beside the stimulation" },
  { "sham", "how it was given, or none" }, { "control", "the control condition: sham, another site, none" },
  { "attenuation", "what masked the pulse's click and touch, such as ear plugs" },
  { "trial_order", "how conditioned and unconditioned trials were mixed" },
  { "task_interval", "time between stimulation and task" },
  { "nerve_electrodes", "of an afferent stimulus: kind and size" },
  { "nerve_location", "where the nerve's electrodes were" },
  { "nerve_target", "which nerve, or which fibres" },
  { "nerve_pulse", "duration and shape of the pulse to the nerve" },
  { "nerve_threshold_type", "the nerve's threshold: sensory or motor" },
  { "nerve_threshold", "the value of the nerve's threshold" },
  { "mep_size", "how it was measured" }, { "unconditioned_mep", "its size" },
  { "conditioned_mep", "its size, in mV" },
  { "conditioned_ratio", "the conditioned MEP in percent of the unconditioned one" },
  { "emg_normalisation", "of the EMG amplitudes, or none" },
  { "sep_stimuli", "of somatosensory evoked potentials: rate and number of the stimuli" },
  { "sep_montage", "of these: where the EEG electrodes were" },
  { "sep_feature", "of these: which component" }, { "sep_values", "of these: its amplitude or latency" },
  { "citation", "where the protocol was published" },
  { "notes", "what else matters" },
}

local known, names = {}, {}
for i, each in ipairs(M.keys) do
  known[each[1]], names[i] = true, each[1]
end

local longest = 2000 -- bytes of a text

local function problem_of(key, value)
  if not known[key] then
    local near = require("moonpulse.text.meant").near(tostring(key), names, 2)
    return ("%q is not known%s; known are %s"):format(escapes.shown(tostring(key)),
      near[1] and (" (%s?)"):format(near[1]) or "", table.concat(names, ", "))
  elseif type(value) ~= "string" and type(value) ~= "number" and type(value) ~= "boolean" then
    return ("%s must be a text or a number"):format(key)
  elseif type(value) == "string" and (#value > longest or escapes.shown(value) ~= value) then
    return ("%s must be a text of at most %d bytes without control characters"):format(key, longest)
  end
end

--- Read it. A key that is not known is a slip, and would be lost in silence: it is refused.
---@param path string
---@return table<string, string|number|boolean>? meta
---@return string? message
function M.read(path)
  local text, message = text_files.read(path, { bytes = 1000000, name = "file of --meta" })
  if not text then
    return nil, message
  end
  local meta, why = cjson.decode((text:gsub("^\xEF\xBB\xBF", "")))
  if type(meta) ~= "table" or meta[1] ~= nil then
    return nil, ("%s is no JSON object, like {\"coil\": \"MCF-B65\", \"waveform\": \"biphasic\"}%s"):format(
      path, require("moonpulse.text.json_place").words(text, why))
  end
  local keys = in_order.keys(meta)
  for _, key in ipairs(keys) do
    local problem = problem_of(key, meta[key])
    if problem then
      return nil, ("%s: %s"):format(path, problem)
    end
  end
  return meta
end

--- Does a word name the direction of the current in the coil, as stimulators do? Else it is that in the
--- brain.
---@param text string
---@return boolean
function M.is_of_coil(text)
  local word = text:lower()
  return word == "normal" or word == "reverse"
end

--- What the record says of the device's pulse: what the device said, or else what the operator says.
---@param identity moonpulse.Identity
---@param meta table? of read
---@param coil string? of --coil
---@return table<string, moonpulse.Said>
---@return string[] differing keys of which the operator says otherwise than the device
function M.of_pulse(identity, meta, coil)
  local said, differing = {}, {}
  local told = { coil = coil or meta and meta.coil }
  for _, key in ipairs(M.of_device) do
    local from_device = identity.pulse and identity.pulse[key]
    local from_operator = told[key] or meta and meta[key]
    if from_device then
      said[key] = { value = from_device, source = "device" }
      local differs = from_operator and tostring(from_operator):lower() ~= from_device:lower()
        -- in the brain it is another one, and no contradiction
        and not (key == "current_direction" and not M.is_of_coil(tostring(from_operator)))
      differing[#differing + 1] = differs and key or nil
    elseif from_operator then
      said[key] = { value = tostring(from_operator), source = "operator" }
    end
  end
  if said.coil then
    said.coil.shape, said.coil.serial = meta and meta.coil_shape, meta and meta.coil_serial
  end
  return said, differing
end

--- How a staircase or a hunt found its threshold.
local function how_found(each)
  if not each.reversals then
    local methods = require "moonpulse.text.threshold_methods" -- loaded for who hunted
    return ("%s from %g, %d trials"):format(methods.name(each), each.start or 0, each.trials)
  end
  return ("staircase %s from %g, %d trials, %d reversals"):format(each.rule, each.start or 0,
    each.trials, each.reversals)
end

--- The thresholds that the staircases and hunts of a run found.
---@param ended table[]? of the manifest's experiment, in the order in which they came to their end
---@param date string when the run began
---@return table[]? nil: none
function M.found(ended, date)
  local found = {}
  for _, each in ipairs(ended or {}) do
    found[#found + 1] = each.threshold and { value = each.threshold, unit = each.unit, kind = each.kind,
      device = each.device, source = "this run", how = how_found(each), date = date } or nil
  end
  return found[1] and found
end

--- How a threshold was found and when, as far as it was said. Of one that an earlier run found its record
--- says it, and what the operator says comes behind.
---@param kind "rmt"|"amt"
---@param meta table?
---@param preflight table? of moonpulse.safety.preflight
---@param taken table<string, moonpulse.TakenThreshold>? by "rmt", "amt": what earlier runs found
---@return string? how
---@return string? date
function M.of_threshold(kind, meta, preflight, taken)
  local how = meta and (meta[kind .. "_method"] or meta.threshold_method)
  for _, each in ipairs(not how and preflight and preflight.answers or {}) do
    if type(each) == "table" and each.id == "threshold_method" and type(each.answer) == "string" then
      how = each.answer == "emg" and "by EMG" or each.answer == "visual" and "by eye" or each.answer
    end
  end
  local from = taken and taken[kind]
  if from then
    return from.how and how and ("%s; %s"):format(from.how, how) or from.how or how, from.date
  end
  return how, meta and meta[kind .. "_date"]
end

--- A threshold that was given to a run, as its manifest has it.
---@param kind "rmt"|"amt"
---@param value number? in %MSO
---@param meta table?
---@param preflight table?
---@param taken table<string, moonpulse.TakenThreshold>? as for of_threshold
---@return table? nil: none was given
function M.given_threshold(kind, value, meta, preflight, taken)
  if not value then
    return nil
  end
  local how, date = M.of_threshold(kind, meta, preflight, taken)
  local from = taken and taken[kind]
  return { value = value, unit = "%MSO", how = how, date = date,
    source = from and "earlier run" or "operator", run = from and from.run or nil }
end

return M
