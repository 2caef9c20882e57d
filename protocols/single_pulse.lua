-- A block of single pulses with a random interval, as in TMS-EEG.
local mp = require "moonpulse"

return mp.protocol {
  id = "tmseeg_sp",
  name = "TMS-EEG single pulse",
  family = "single pulse",
  aim = "to measure the brain's response to single pulses",
  cite = "NIBS-BIDS mock experiment 2; OpenNeuro/NEMAR on006126",
  doi = "10.1016/j.clinph.2017.08.034",
  target = "site of interest",
  dose = "110-120 %RMT",
  session = "100 (NIBS-BIDS) or 90 (Gedankien 2017)",
  reported = "about 11.7 min",
  evidence = "2",
  params = {
    pulses = { default = 100, min = 1, max = 1000, help = "number of single pulses" },
    shortest = { default = 6.0, min = 0.5, max = 60, help = "shortest interval, seconds" },
    longest = { default = 8.0, min = 0.5, max = 60, help = "longest interval, seconds" },
    intensity = { default = mp.rmt(120), min = 1, max = 150, help = "110-120 %RMT in the sources" },
  },
  plan = function(p)
    local trials, pulse = {}, mp.pulse(p.intensity)
    for i = 1, p.pulses do
      trials[i] = pulse
    end
    return mp.trials { of = trials, shortest = p.shortest, longest = p.longest }
  end,
}
