-- 10 Hz rTMS of the left DLPFC for depression: 4 s trains of 40 pulses, one every 30 s.
local mp = require "moonpulse"

return mp.protocol {
  id = "hf10_neurostar",
  name = "10 Hz left DLPFC (NeuroStar, FDA 2008)",
  cite = "O'Reardon JP et al. 2007 Biol Psychiatry 62:1208-1216; "
    .. "Horvath JC 2010 J Vis Exp 45:2345",
  doi = "10.1016/j.biopsych.2007.01.018; 10.3791/2345",
  target = "left DLPFC (5 cm rule)",
  session = "5 d/wk, 4-6 wk (20-30) + 6 taper",
  params = {
    trains = { default = 75, min = 1, max = 75, help = "number of 4 s trains, one every 30 s" },
    intensity = { default = mp.rmt(120), help = "120 %MT in the papers" },
  },
  plan = function(p)
    local train = mp.train { pulses = 40, hz = 10, intensity = p.intensity }
    return train:times(p.trains, { every = 30 })
  end,
}
