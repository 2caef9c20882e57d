--- What is known beside the pulses (coil, waveform, muscle, age, ...): where each may come from, what to
--- write
--- where nobody said it, and how to say it.
local metas = require "moonpulse.record.meta"

local M = {}

---@class moonpulse.Field
---@field key string in the file of --meta
---@field name string before the colon of a placeholder
---@field ask string what is to be stated
---@field fill string what would fill it
---@field with string[]? keys of what is told with it

local function field(key, name, ask, fill, with)
  return { key = key, name = name, ask = ask, with = with,
    fill = fill or ("\"%s\" in the file of --meta"):format(key) }
end

--- Every field, in the order of a methods section.
---@type moonpulse.Field[]
M.fields = {
  field("stimulator", "stimulator", "state make and model",
    "--device, or \"stimulator\" in the file of --meta"),
  field("serial", "serial number", "state the stimulator's serial number"),
  field("firmware", "firmware", "state the stimulator's firmware version"),
  field("coil", "coil", "state model and size", "--coil, or \"coil\" in the file of --meta", { "coil_shape",
    "coil_serial" }),
  field("coil_shape", "shape", "state the coil's"), field("coil_serial", "serial number", "state the coil's"),
  field("coil_diameter", "coil diameter", "state it, of one wing of a figure of eight"),
  field("nerve_stimulator", "nerve stimulator",
    "state make and model, electrodes, pulse width and how its intensity was found"),
  field("trigger_source", "triggers", "state what sent them, and the time from trigger to pulse"),
  field("waveform", "waveform", "state the pulse shape, such as biphasic", nil, { "pulse_width_us" }),
  field("pulse_width_us", "pulse width in us", "state it"),
  field("current_direction", "current direction", "state the direction of the induced current in the brain"),
  field("target", "target", "state the site that was stimulated",
    "\"target\" in the protocol or in the file of --meta"),
  field("coil_orientation", "coil orientation", "state how the handle pointed"),
  field("coil_location", "coil location", "state how the coil was placed and held, with or without "
    .. "navigation", nil, { "navigation", "coil_stability" }),
  field("coil_stability", "stability", "state how the coil was kept in place"),
  field("navigation", "navigation", "state system and version, or that there was none"),
  field("hotspot", "hotspot", "state how it was found"),
  field("threshold_method", "threshold", "state how it was found, in which muscle and by which criterion",
    "\"threshold_method\" in the file of --meta, or the preflight question threshold_method"),
  field("criterion", "threshold", "state in which muscle and by which criterion it was found",
    "\"threshold_method\" in the file of --meta"),
  field("threshold_type", "threshold", "state whether it is the resting or the active one"),
  field("threshold_location", "threshold", "state the muscle, or the site, that it was measured at"),
  field("threshold_criterion", "threshold", "state which response counted, and how often it had to come"),
  field("threshold_algorithm", "threshold", "state the way to it: steps, a staircase, maximum likelihood"),
  field("muscle", "muscle", "state whose response was looked at"),
  field("emg_electrodes", "EMG electrodes", "state their position and contact", nil, { "muscle" }),
  field("emg_hardware", "EMG amplifier", "state make and model"),
  field("emg_software", "EMG software", "state it and its version"),
  field("skin_preparation", "skin", "state how it was prepared for the electrodes"),
  field("emg_electrode_type", "EMG electrodes", "state their material and size"),
  field("emg_montage", "EMG montage", "state it, such as belly-tendon, and where the ground was"),
  field("emg_filters", "EMG recording", "state sampling rate and filters"),
  field("emg_normalisation", "EMG amplitudes", "state how they were normalised, or that they were not"),
  field("contraction", "contraction", "state how much the target muscle was contracted"),
  field("prior_activity", "prior activity", "state what the muscle did before"),
  field("relaxation", "other muscles", "state how their relaxation was seen to"),
  field("attention", "attention", "state the participant's attention or arousal"),
  field("age", "age", "state it"), field("sex", "sex", "state it"), field("height", "height", "state it"),
  field("weight", "weight", "state it"),
  field("handedness", "handedness", "state it, and by which scale"),
  field("medication", "medication", "state what is prescribed"),
  field("cns_drugs", "CNS-active drugs", "state them"),
  field("disorders", "disorders", "state neurological and psychiatric ones"),
  field("medical_conditions", "medical conditions", "state them"),
  field("motor_activity", "motor activity", "state a history of repetitive motor activity"),
  field("cognitive_state", "cognitive state", "state how it was assessed"),
  field("sleep", "sleep", "state how long or how well the participant had slept"),
  field("posture", "posture", "state how the participant sat or lay"),
  field("studies", "studies", "state how many experiments there were"),
  field("population", "population", "state who was recruited, and where"),
  field("groups", "groups", "state how many there were, and of how many participants"),
  field("time_of_day", "time of day", "state when the sessions were"),
  field("sessions", "sessions", "state how many, and which of them this was"),
  field("test_days", "test days", "state the time between them"),
  field("session_duration", "session", "state how long it was, beside the stimulation"),
  field("sham", "sham", "state how sham was given, or that there was none"),
  field("control", "control condition", "state it: sham, another site, none"),
  field("attenuation", "sensory attenuation", "state what masked the click and the touch, such as ear plugs"),
  field("trial_order", "order of trials", "state how conditioned and unconditioned ones were mixed"),
  field("task_interval", "task", "state the time between stimulation and task"),
  field("nerve_electrodes", "nerve electrodes", "state their kind and size"),
  field("nerve_location", "nerve electrodes", "state where they were"),
  field("nerve_target", "nerve", "state which nerve, or which fibres"),
  field("nerve_pulse", "nerve pulse", "state its duration and shape"),
  field("nerve_threshold_type", "nerve threshold", "state whether it is a sensory or a motor one"),
  field("nerve_threshold", "nerve threshold", "state its value"),
  field("mep_size", "MEP size", "state how it was measured"),
  field("unconditioned_mep", "unconditioned MEP", "state its size"),
  field("conditioned_mep", "conditioned MEP", "state its size"),
  field("conditioned_ratio", "conditioned MEP", "state its size in percent of the unconditioned one"),
  field("sep_stimuli", "SEP stimuli", "state their rate and number"),
  field("sep_montage", "SEP montage", "state where the EEG electrodes were"),
  field("sep_feature", "SEP", "state which component was measured"),
  field("sep_values", "SEP", "state its amplitude or latency"),
  field("citation", "citation", "state where the protocol was published", "\"cite\" in the protocol, or "
    .. "\"citation\" in the file of --meta"),
  field("limits", "limits", "compare with the papers and cite them; the tables were written from memory",
    "the papers (docs/safety.md)"),
  field("commit", "commit", "state the build's", "a build from a git checkout"),
}

M.by_key = {}
for _, each in ipairs(M.fields) do
  M.by_key[each.key] = each
end

--- What stands in a sentence where a field is not known: "[coil: state model and size]".
---@param key string
---@return string
function M.placeholder(key)
  local each = M.by_key[key]
  return ("[%s: %s]"):format(each.name, each.ask)
end

local function plain(value)
  return type(value) == "string" and value ~= "" and value or math.type(value) and ("%.14g"):format(value)
    or nil
end

---@class moonpulse.Known
---@field value string
---@field source "engine"|"device"|"operator"|"protocol"

---@class moonpulse.KnownFields: { [string]: moonpulse.Known }

--- Take what nobody has said better before. value may be { value =, source = }, as a manifest has it.
---@param known moonpulse.KnownFields changed
---@param key string
---@param value any
---@param source string
function M.take(known, key, value, source)
  if type(value) == "table" then
    source = value.source == "device" and "device" or value.source and "operator" or source
    value = value.value
  end
  local text = plain(value)
  if text and not known[key] then
    known[key] = { value = text, source = source }
  end
end

--- A stimulator names the direction of the current in the coil; what it is in the brain somebody says beside
--- it.
---@param known moonpulse.KnownFields changed
---@param said any the operator's word
function M.take_direction(known, said)
  local found, text = known.current_direction, plain(said)
  if found and found.source == "device" and text and not metas.is_of_coil(text) then
    known.current_direction = { source = "operator",
      value = ("%s (in the coil, as the stimulator names it: %s)"):format(text, found.value) }
  end
end

--- Take all that a table has under the fields' keys, as --meta and a manifest's meta have them.
---@param known moonpulse.KnownFields changed
---@param from any
---@param source string
function M.take_all(known, from, source)
  for key, value in pairs(type(from) == "table" and from or {}) do
    if M.by_key[key] then
      M.take(known, key, value, source)
    end
  end
end

--- What is known of a field as it is to be read: with what belongs to it.
---@param known moonpulse.KnownFields
---@param key string
---@return string? words nil: it is not known
---@return string? source
function M.words(known, key)
  local found = known[key]
  if not found then
    return nil
  end
  local more = {}
  for _, other in ipairs(M.by_key[key].with or {}) do
    more[#more + 1] = known[other] and ("%s %s"):format(M.by_key[other].name, known[other].value) or nil
  end
  if key == "current_direction" and found.source == "device" then
    more[1] = "in the coil, as the stimulator names it"
  end
  return found.value .. (#more > 0 and (" (%s)"):format(table.concat(more, ", ")) or ""), found.source
end

return M
