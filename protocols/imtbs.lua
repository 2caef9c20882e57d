-- Intermediate theta burst: bursts of 3 pulses at 50 Hz, 25 bursts at 5 Hz (5 s), one such train
-- every 15 s.
local mp = require "moonpulse"

return mp.protocol {
  id = "imtbs600",
  name = "imTBS",
  family = "theta burst",
  aim = "the control between iTBS and cTBS: no lasting change of excitability in the source",
  cite = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206",
  doi = "10.1016/j.neuron.2004.12.033",
  target = "M1",
  dose = "80 %AMT",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "110 s",
  evidence = "M-H",
  unconfirmed = "trains of 5 s every 15 s, 110 s and 600 pulses were written down from memory",
  note = "The 110 s are the nominal end of train 8, unlike the 190 s of iTBS in the same paper.",
  params = {
    trains = { default = 8, min = 1, max = 24, help = "number of 5 s trains, one every 15 s" },
    intensity = { default = mp.amt(80), min = 1, max = 130, help = "80 %AMT in the paper" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = 50, intensity = p.intensity }
    local train = mp.train { of = burst, hz = 5, duration = 5 }
    return train:times(p.trains, { every = 15 })
  end,
}
