-- Sequential bilateral rTMS for depression: 1 Hz on the right, then 10 Hz on the left.
local mp = require "moonpulse"

return mp.protocol {
  id = "bilateral_seq",
  name = "Sequential bilateral: 1 Hz right 600 then 10 Hz left 1500",
  family = "depression rTMS",
  aim = "to treat depression",
  cite = "Blumberger DM et al. 2016 J Psychiatry Neurosci 41:E58",
  target = "right then left DLPFC",
  dose = "120 % depth-adjusted MT",
  session = "5 d/wk, 3-6 wk",
  sessions = { per_day = 1, days = { 15, 30 }, total = { 15, 30 } },
  reported = "10 min (1 Hz part)",
  evidence = "S",
  note = "This is part 1, right, 1 Hz. Part 2, left, is 1500 pulses at 10 Hz after the coil was "
    .. "moved; how they are divided into trains is not stated in what was read, so it is not "
    .. "shipped. The adjustment for depth is the operator's.",
  params = {
    pulses = { default = 600, min = 1, max = 1800, help = "pulses on the right" },
    intensity = { default = mp.rmt(120), min = 1, max = 130, help = "120 % of the depth-adjusted MT" },
  },
  plan = function(p)
    return mp.mark "right DLPFC" .. mp.train { pulses = p.pulses, hz = 1, intensity = p.intensity }
  end,
}
