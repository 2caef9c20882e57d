--- What the columns of our tables are called and what they mean, for their JSON files.
local draft = require "moonpulse.bids.draft"
local statuses = require "moonpulse.record.statuses"

local M = {}

local function levels_of(...)
  local levels = {}
  for i = 1, select("#", ...), 2 do
    levels[select(i, ...)] = select(i + 1, ...)
  end
  return levels
end

-- only what was, or may have been, given has a row
local pulse_levels = statuses.levels { "delivered", "external", "sent", "otherwise", "perhaps_sent", "late" }
pulse_levels.unasked = "The device reported a pulse that nobody sent"

M.nibs = {
  nibs_event_id = { "Set of parameters", "What is delivered. events.tsv names it for each delivery; unique "
    .. "here." },
  nibs_type = { "Kind of stimulation", "TMS: a coil over the brain; PNS: a peripheral nerve.",
    Levels = levels_of("TMS", "Transcranial magnetic stimulation", "PNS", "Peripheral nerve stimulation") },
  stimulator_id = { "Stimulator", "The device; StimulatorSet describes it." },
  nibs_element_id = { "Coil or electrode", "What the pulses come from; ElementSet describes it. Several: one "
    .. "for each base stimulus of the innermost layer, in its order." },
  stimulus_shape = { "Waveform", "As the device or the operator told it; n/a: nobody did.",
    Levels = levels_of("Monophasic", "Monophasic pulse", "Biphasic", "Biphasic pulse", "Halfsine",
      "Half sine pulse", "Custom", "Another, see stimulus_description") },
  first_inflection = { "First deflection", "Direction of the first deflection of the current.",
    Levels = levels_of("rising", "Current direction normal at the device", "descending",
      "Current direction reverse at the device") },
  current_direction = { "Current in the coil", "Seen with the top of the coil towards you and the handle "
    .. "pointing away from you: left wing, then right.", Levels = levels_of("cl", "Circular, clockwise", "co",
      "Circular, counterclockwise", "cl-co", "Left wing clockwise, right wing counterclockwise", "co-cl",
      "Left wing counterclockwise, right wing clockwise", "other", "Another coil") },
  stimulus_intensity = { "Intensity", "What the device was told, in whole steps of the device: Value times "
    .. "intensity_scaling, rounded by the device.", Units = draft.mso },
  stimulus_duration = { "Duration of one pulse", "Contiguous non-zero output of one base stimulus.",
    Units = "us" },
  intensity_reference = { "What the intensity refers to", "An entry of IntensitySet, or absolute: a part of "
    .. "the stimulator's maximum." },
  intensity_scaling = { "Factor", "Times the Value of the reference; absolute: the intensity stands for "
    .. "itself." },
  stimulus_count = { "Pulses in all", "Delivered with these parameters, all deliveries together. For "
    .. "counting, not for synchronising.", Format = "number" },
  stimulus_validation = { "Was it checked?", "verified: the device confirmed every pulse.",
    Levels = levels_of("verified", "The device confirmed every pulse", "not_verified",
      "Sent; the device did not confirm every pulse") },
}

--- What describes a column of nibs.tsv.
---@param name string
---@return table
function M.nibs_column(name)
  local layer, what = name:match("^pattern(%d+)_(%l+)$")
  if not layer then
    return M.nibs[name]
  end
  local unit = layer == "1" and "base stimuli" or ("units of pattern%d"):format(layer - 1)
  if what == "count" then
    return { ("Pattern %s, count"):format(layer),
      ("Number of %s in one unit of pattern%s."):format(unit, layer), Format = "number" }
  elseif what == "interval" then
    return { ("Pattern %s, interval"):format(layer), ("From onset to onset of the %s."):format(unit),
      Units = "ms" }
  elseif what == "frequency" then
    return { ("Pattern %s, frequency"):format(layer), ("1 / the interval from onset to onset of the %s, "
      .. "where that interval does not end in decimals of milliseconds."):format(unit), Units = "Hz" }
  end
  return { ("Pattern %s, intensities"):format(layer), ("Intensity of each of the %s, in their order."):format(
    unit), Units = draft.mso }
end

M.events = {
  onset = { "Onset", "Of a pattern: the planned onset of its first pulse, for every pulse of it was sent as "
    .. "planned, within the tolerance of the run. Of a single pulse: when the stimulator had the whole "
    .. "command.", Units = "s" },
  duration = { "Duration", "To the nominal end of the last part: of intermittent theta burst with 20 trains "
    .. "every 10 s it is 192 s (count times interval, with the silence after the last train, were 200 s; "
    .. "the last pulse is at 191.84 s). 0: one pulse.", Units = "s" },
  nibs_event_id = { "Set of parameters", "A row of nibs.tsv." },
  nibs_position_id = { "Place", "A row of markers.tsv; several: one for each element, in its order." },
  trial_type = { "Condition", "As the protocol or the experiment named it." },
  onset_planned = { "Planned onset", "Of a single pulse, by the plan.", Units = "s" },
  lateness = { "Lateness", "How long after its time the command of a single pulse was written.",
    Units = "s" },
  intensity_mso = { "Intensity", "What the device was told for this pulse.", Units = draft.mso },
  pulse_status = { "What became of the pulse", "Only pulses that were, or may have been, given have a row.",
    Levels = pulse_levels },
}

M.markers = {
  nibs_position_id = { "Place", "events.tsv names it; unique here." },
  nibs_element_id = { "Coil or electrode", "An entry of ElementSet in nibs.json." },
  position_label = { "Name of the place", "As the protocol names its target." },
  position_description = { "The place in words", "Without navigation: how it was found." },
  element_distance = { "Coil to scalp", "Distance, where somebody measured it.", Units = "mm" },
}

--- What events.tsv of a run has, and what its copy in beh/ has beside it.
M.timeline = {
  onset = { "Onset", "When it happened: of a pulse, when the stimulator had the whole command.",
    Units = "s" },
  duration = { "Duration", "0: pulses are impulses.", Units = "s" },
  trial_type = { "Condition, or the kind of event", "The condition's name where the protocol gives one." },
  index = { "Row", "Number of the row in the run's own events.tsv; what was not given has none here." },
  event = { "Kind of event", "What happened.", Levels = levels_of("pulse", "A pulse that was given",
    "unasked_pulse", "A pulse that the device reported and nobody sent", "set_intensity",
    "The stimulator had a new setting", "mark", "A named instant", "code",
    "An event code that was given to the box beside the recording: see value") },
  pulse = { "Pulse", "Its number in the plan.", Format = "number" },
  trial = { "Trial", "Its number.", Format = "number" },
  block = { "Block", "Its number.", Format = "number" },
  onset_planned_us = { "Planned onset", "From the plan.", Units = "us" },
  onset_sent_us = { "Sent", "The host's write, plus wire time and device latency.", Units = "us" },
  onset_confirmed_us = { "Confirmed", "When the device's reply arrived: not the pulse's time.",
    Units = "us" },
  lateness_us = { "Lateness", "How long after its time the write began.", Units = "us" },
  channel = { "Channel", "1 if the protocol names none." },
  intensity_mso = { "Intensity", "What the device was told.", Units = draft.mso },
  intensity = { "Intensity as written", "Percent of intensity_ref.", Units = "%" },
  intensity_ref = { "Reference", "What intensity is a part of.", Levels = levels_of("MSO",
    "Maximum stimulator output", "RMT", "Resting motor threshold", "AMT", "Active motor threshold") },
  status = { "What became of it", "What its event says.",
    Levels = statuses.levels { "delivered", "external", "sent", "otherwise", "perhaps_sent", "late",
      "passed" } },
  reply = { "Reply", "The device's words; of a mark its text, of an event code its value." },
  value = { "Event code", "What stood at the trigger input of the recording, from its onset on." },
  timed_by = { "Who timed it", "Host: a command for this pulse; device: of a train that the device timed; "
    .. "external: another device fired it.", Levels = levels_of("host", "We sent a command for it", "device",
      "The device timed it", "external", "An external device fired it") },
  setting_proof = { "Proof of the setting", "How the device confirmed its settings.",
    Levels = levels_of("read", "It said the values", "received", "It said that it took a command", "none",
      "It says nothing") },
  stim_file = { "Plan", "The plan file of the run, under stimuli/: moonpulse run takes it." },
}

--- A column's object for a sidecar.
---@param words table? { LongName, Description, Units=, Levels=, Format=, Delimiter= }
---@param name string
---@return table
function M.object(words, name)
  local object = {}
  for key, value in pairs(words or {}) do
    object[type(key) == "string" and key or key == 1 and "LongName" or "Description"] = value
  end
  object.LongName = object.LongName or name
  object.Description = object.Description or "As the run's own events.tsv has it."
  return object
end

M.order = { "LongName", "Description", "Units", "Format", "Delimiter", "Levels" }

return M
