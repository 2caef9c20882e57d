-- Quadripulse stimulation: four monophasic pulses, one such burst every 5 s for 30 minutes.
local mp = require "moonpulse"

return mp.protocol {
  id = "qps5",
  name = "QPS-5",
  family = "quadripulse and I-wave",
  aim = "to raise the excitability of the motor cortex (short intervals)",
  cite = "Hamada M et al. 2008 J Physiol 586:3927-3947; Matsumoto/Ugawa 2020 Exp Brain Res",
  doi = "10.1113/jphysiol.2008.152793; 10.1007/s00221-020-05788-w",
  target = "M1",
  dose = "90 %AMT",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "30 min",
  evidence = "2",
  note = "A family: -p isi= 1.5, 5, 10, 30, 50, 100 or 1250 ms (M-H); QPS-1250 is a plain 0.8 Hz "
    .. "train. Four monophasic pulses at short intervals need four stimulators joined.",
  params = {
    isi = { default = 5.0, min = 1, max = 1250, help = "ms from pulse to pulse inside a burst" },
    bursts = { default = 360, min = 1, max = 720, help = "number of bursts, one every 5 s" },
    intensity = { default = mp.amt(90), min = 1, max = 130, help = "90 %AMT in the papers" },
  },
  plan = function(p)
    local burst = mp.train { pulses = 4, every = mp.ms(p.isi), intensity = p.intensity }
    return burst:times(p.bursts, { every = 5 })
  end,
  variants = {
    {
      id = "qps50",
      name = "QPS-50",
      aim = "to lower the excitability of the motor cortex (long intervals)",
      cite = "Hamada M et al. 2008 J Physiol 586:3927-3947",
      doi = "10.1113/jphysiol.2008.152793",
      reported = "30 min",
      evidence = "2",
      note = "A family: see qps5.",
      defaults = { isi = 50 },
    },
  },
}
