-- Continuous theta burst: bursts of 3 pulses at 50 Hz, repeated at 5 Hz without a pause.
local mp = require "moonpulse"

return mp.protocol {
  id = "ctbs600",
  name = "cTBS (600)",
  cite = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206",
  doi = "10.1016/j.neuron.2004.12.033",
  target = "M1 (also right DLPFC, parietal)",
  session = "single session",
  params = {
    bursts = { default = 200, min = 1, max = 400, help = "number of bursts, five a second" },
    intensity = { default = mp.amt(80), help = "80 %AMT in the paper" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = 50, intensity = p.intensity }
    return mp.train { of = burst, hz = 5, count = p.bursts }
  end,
}
