-- A block of single pulses with a random interval, as in TMS-EEG.
local mp = require "moonpulse"

return mp.protocol {
  id = "tmseeg_sp",
  name = "TMS-EEG single pulse",
  cite = "NIBS-BIDS mock experiment 2; OpenNeuro/NEMAR on006126",
  doi = "10.1016/j.clinph.2017.08.034",
  target = "site of interest",
  session = "100 pulses (NIBS-BIDS) or 90 (Gedankien 2017)",
  params = {
    pulses = { default = 100, min = 1, max = 1000, help = "number of single pulses" },
    shortest = { default = 6.0, min = 0.5, max = 60, help = "shortest interval, seconds" },
    longest = { default = 8.0, min = 0.5, max = 60, help = "longest interval, seconds" },
    intensity = { default = mp.rmt(120), help = "110-120 %RMT in the sources" },
  },
  plan = function(p)
    local pulse = mp.pulse(p.intensity)
    if p.pulses == 1 then
      return pulse
    end
    local interval = mp.rest { min = p.shortest, max = p.longest }
    return pulse .. (interval .. pulse):times(p.pulses - 1)
  end,
}
