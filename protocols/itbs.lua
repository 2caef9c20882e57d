-- Intermittent theta burst: bursts of 3 pulses at 50 Hz, ten bursts at 5 Hz (2 s), one such
-- train every 10 s.
local mp = require "moonpulse"

return mp.protocol {
  id = "itbs600",
  name = "iTBS (600)",
  cite = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206",
  doi = "10.1016/j.neuron.2004.12.033",
  target = "M1 (hotspot)",
  session = "single session (research)",
  params = {
    trains = { default = 20, min = 1, max = 60, help = "number of 2 s trains, one every 10 s" },
    intensity = { default = mp.amt(80), help = "80 %AMT in the paper" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = 50, intensity = p.intensity }
    local train = mp.train { of = burst, hz = 5, duration = 2 }
    return train:times(p.trains, { every = 10 })
  end,
}
