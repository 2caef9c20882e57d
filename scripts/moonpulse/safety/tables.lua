--- Published limits as data: each row with its source and how sure the transcription is.
---
--- The cells were written down from memory and from abstracts; nobody has compared them with the
--- printed tables yet. confidence: S a source was read for that cell, H/M/L recalled (high, medium,
--- low). kind "tested_to": the longest duration that was tested without an event, no limit;
--- "max": the limit itself.
local M = {}

M.warning = "the tables were transcribed from memory (confidence per row); compare them with the papers "
  .. "before you rely on them"

local function rows(kind_by_default, list)
  local out = {}
  for _, row in ipairs(list) do
    local hz = row[1]
    for i, cell in ipairs(row[2]) do
      local limit, confidence, kind = cell[1], cell[2], cell[3] or kind_by_default
      out[#out + 1] = { hz = hz, percent = row.from + (i - 1) * 10, limit_s = limit, kind = kind,
        confidence = confidence }
    end
  end
  return out
end

local T = "tested_to"

--- Longest single train in seconds, by rate (Hz) and intensity (% of the resting motor threshold of a
--- hand muscle); healthy adults, motor cortex, figure-of-eight coil.
M.train_duration = {
  rossi2009 = {
    table = "Rossi 2009 Table 4", doi = "10.1016/j.clinph.2009.08.016",
    source = "Rossi S et al. 2009, Clin Neurophysiol 120:2008-2039, Table 4 (from Wassermann 1998)",
    rows = rows("max", {
      { from = 90, 1, { { 1800, "H", T }, { 1800, "H", T }, { 1800, "H", T }, { 360, "M", T },
        { 50, "M", T } } },
      { from = 90, 5, { { 10, "H", T }, { 10, "H", T }, { 10, "H", T }, { 10, "H", T },
        { 10, "H", T } } },
      { from = 90, 10, { { 5, "H", T }, { 5, "H", T }, { 5, "H", T }, { 4.2, "H" }, { 2.9, "H" } } },
      { from = 90, 20, { { 2.05, "H" }, { 2.05, "H" }, { 1.6, "H" }, { 1.0, "H" }, { 0.55, "H" } } },
      { from = 90, 25, { { 1.28, "H" }, { 1.28, "H" }, { 0.84, "H" }, { 0.4, "H" }, { 0.24, "H" } } },
    }),
  },
  chen1997 = {
    table = "Chen 1997 Part A", doi = "10.1016/s0924-980x(97)00036-2",
    source = "Chen R et al. 1997, Electroencephalogr Clin Neurophysiol 105:415-421, Part A "
      .. "(Rossi 2009 Table 5)",
    rows = rows("max", {
      { from = 100, 1, { { 270, "M", T }, { 270, "M", T }, { 180, "M", T }, { 50, "M" } } },
      { from = 100, 5, { { 10, "H" }, { 10, "H" }, { 10, "H" }, { 10, "H" } } },
      { from = 100, 10, { { 5, "H" }, { 5, "H" }, { 3.2, "H" }, { 2.2, "H" } } },
      { from = 100, 20, { { 1.5, "H" }, { 1.2, "H" }, { 0.8, "H" }, { 0.4, "H" } } },
      { from = 100, 25, { { 1.0, "H" }, { 0.7, "M" }, { 0.3, "H" }, { 0.2, "H" } } },
    }),
  },
}

M.default_profile = "rossi2009"

--- Where a limit only says how far was tested (a ">" cell, or an intensity below the lowest column):
--- more than twice that is OVER, from the 5 Hz row on, and at 1 Hz above 120 %.
M.beyond = { factor = 2, from_hz = 5, slow_percent = 120, confidence = "L",
  source = "our own caution, no paper's: 10 s at 10 Hz and 80 % are in use (TRANSNEP), low-frequency "
    .. "treatments of 20 min at 120 % too" }

--- Silence between trains faster than 1 Hz, seconds.
M.train_gap = {
  limit_s = 5, unsafe_s = 1, above_hz = 10, unsafe_percent = 100,
  table = "Chen 1997 Part B", doi = "10.1016/s0924-980x(97)00036-2", confidence = "S",
  source = "Chen R et al. 1997, Part B (Rossi 2009 Table 6): ten trains at 20 Hz, safe 5 s apart, unsafe "
    .. "1 s apart above 100 %; whether gap or onset to onset is meant was not read: the gap is taken; "
    .. "above 10 Hz counts as 20 Hz: our own caution, only 20 Hz was tested",
}

--- Theta burst: no table exists.
M.theta_burst = {
  table = "theta burst ceilings", confidence = "M",
  source = "Huang 2005 (80 %AMT); Oberman 2011, J Clin Neurophysiol 28:67-74 (one seizure at 100 %RMT); "
    .. "clinical use up to 120 %RMT; Rossi 2009 and 2021 print no table for it. The ceilings (120 %RMT, 100 "
    .. "%RMT where it is continuous) are our own caution: nothing read goes higher",
  amt_percent = 80, rmt_percent = 80, ceiling_percent = 120, burst_pulses = 4, session_pulses = 1800,
  session_gap_s = 600,
  continuous_s = 5, continuous_percent = 100, -- imTBS has trains of 5 s; longer ones are continuous
}

M.theta_pause = {
  table = "pauses of theta burst", confidence = "L", limit_s = 5,
  source = "our own caution: iTBS has 8 s between its trains, imTBS 10 s; nothing read has less than 5 s. "
    .. "With less it goes on: the ceiling of what is continuous holds from first burst to last",
}

--- The strongest column of the tables, % of the resting motor threshold.
M.strongest_percent = 130

--- Pairs of pulses above 25 Hz.
M.pairs = {
  table = "pairs", confidence = "L",
  source = "no table covers them; above 130 %, the strongest column for trains, they are beyond tested: our "
    .. "own caution (paired-pulse studies give test pulses of up to 150 %RMT, every 5 s)",
}

--- What follows with less than 4 s of silence is no set of trials: it is judged as 1 Hz, whatever it is.
M.stretch = {
  confidence = "L", pause_s = 4, -- the table is that of the train durations
  source = "our own caution: pulses, pairs and trains are no milder than single pulses as far apart, which "
    .. "the 1 Hz row is for; single and paired pulses are given every 5 s (TMSMultiLab), with jitter and "
    .. "on a BiStim from 4 s on",
}

--- Three or four pulses above 25 Hz: quadripulse and other groups.
M.groups = {
  table = "quadripulse and other groups", confidence = "M", amt_percent = 90, rmt_percent = 80,
  ceiling_percent = 130, every_s = 5, session_pulses = 1440,
  source = "quadripulse was used at 90 %AMT, a group every 5 s, 1440 pulses (safety section of the 2020 "
    .. "review); no table covers it. 130 %RMT as a ceiling, and 80 %RMT where no AMT is known, are our own "
    .. "caution",
}

M.single = {
  table = "single pulses", confidence = "S", every_s = 5, session_pulses = 1800,
  source = "TMSMultiLab rules: single-pulse TMS is at least 5 s apart, about 1800 pulses a session "
    .. "(from the absence of effects of 1 Hz at 100 % of MT)",
  intensity = { table = "single pulses", confidence = "L",
    source = "no source read has a limit of intensity for single pulses; 130 %, the strongest column for "
      .. "trains, as the end of what is covered is our own caution" },
}

--- No consensus exists: configurable, in the lab's file.
M.day = {
  table = "pulses a day", confidence = "M", pulses = 3000,
  source = "no consensus; 3000 a day for weeks is the common clinical dose (O'Reardon 2007)",
}

return M
