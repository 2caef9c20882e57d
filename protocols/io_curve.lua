-- Recruitment curve: single pulses at several intensities, in random order with random intervals.
local mp = require "moonpulse"

local references = { RMT = mp.rmt, AMT = mp.amt, MSO = mp.mso }

return mp.protocol {
  id = "io_curve",
  name = "Recruitment (I/O) curve",
  family = "single pulse",
  aim = "to measure how the response grows with the intensity",
  cite = "NIBS-BIDS README mock experiment 1",
  target = "M1",
  dose = "90,100,110,120 %RMT x 10 (up to 150 %)",
  session = "single",
  reported = "about 3.3 min",
  evidence = "S",
  note = "The intensities are shuffled. A device needs time for a change: a Magstim 10 ms a "
    .. "percent up and 100 ms a percent down. Bergmann's laboratory uses 4.1 to 6.1 s.",
  params = {
    levels = { default = "90 100 110 120", help = "intensities, in percent of the reference" },
    of = { default = "RMT", values = { "RMT", "AMT", "MSO" }, help = "the reference" },
    repeats = { default = 10, min = 1, max = 100, help = "pulses at each intensity" },
    shortest = { default = 4.5, min = 1, max = 60, help = "shortest interval, s, onset to onset" },
    longest = { default = 5.5, min = 1, max = 60, help = "longest interval, s, onset to onset" },
  },
  plan = function(p)
    local trials = {}
    for text in p.levels:gmatch "[^%s,]+" do
      local level = assert(tonumber(text), "levels: numbers expected, like 90 100 110, not " .. text)
      for _ = 1, p.repeats do
        trials[#trials + 1] = mp.pulse(references[p.of](level)):label(("%g %%%s"):format(level, p.of))
      end
    end
    return mp.trials { of = mp.shuffle(trials), shortest = p.shortest, longest = p.longest }
  end,
}
