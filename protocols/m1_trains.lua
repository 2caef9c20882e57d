-- 5 to 20 Hz rTMS of the motor cortex: trains of pulses with pauses.
local mp = require "moonpulse"

return mp.protocol {
  id = "hf10_pain_m1",
  name = "10 Hz M1, neuropathic pain (TRANSNEP)",
  family = "motor cortex rTMS",
  aim = "to relieve neuropathic pain",
  cite = "Attal N et al. 2021 Brain 144:3328-3339",
  doi = "10.1093/brain/awab208",
  target = "M1",
  dose = "80 %RMT",
  session = "15 sessions over 22 wk",
  sessions = { total = 15 },
  reported = "15 min",
  evidence = "M-H",
  unconfirmed = "80 %RMT, 10 s on and 20 s off were not in what was read of the paper",
  note = "A 10 s train at 10 Hz is outside every cell of the 2009 table, which was tested to 5 "
    .. "s; its lowest row is 90 %.",
  params = {
    pulses = { default = 100, min = 1, max = 200, help = "pulses of a train" },
    hz = { default = 10.0, min = 1, max = 25, help = "pulse rate" },
    trains = { default = 30, min = 1, max = 100, help = "number of trains" },
    every = { default = 30.0, min = 1, max = 300, help = "seconds from a train's onset to the next" },
    intensity = { default = mp.rmt(80), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    local train = mp.train { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
    return train:times(p.trains, { every = p.every })
  end,
  variants = {
    {
      id = "hf5_m1_1800",
      name = "5 Hz M1",
      aim = "to raise the excitability of the motor cortex",
      cite = "Peinemann A et al. 2004 Clin Neurophysiol 115:1519-1526",
      doi = "10.1016/j.clinph.2004.02.005",
      target = "M1",
      dose = "90 %RMT",
      session = "single session",
      sessions = { per_day = 1, days = 1, total = 1 },
      reported = "not confirmed",
      evidence = "M-L",
      unconfirmed = "1800 pulses at 5 Hz and 90 %RMT are known, but not how they are divided "
        .. "into trains: 12 of 150, one every 90 s, only stands in for it",
      defaults = { pulses = 150, hz = 5, trains = 12, every = 90, intensity = mp.rmt(90) },
    },
    {
      id = "hf20_pain_m1",
      name = "20 Hz M1, neuropathic pain",
      cite = "Andre-Obadia N et al. 2006 Clin Neurophysiol 117:1536-1544; 20 Hz in Thomas J 2024 "
        .. "Eur J Pain 29:e4763",
      doi = "10.1002/ejp.4763",
      target = "M1 contralateral to pain",
      dose = "90 %RMT",
      session = "4 sessions then maintenance",
      reported = "about 28 min",
      evidence = "S (20 Hz M1); trains M-M",
      unconfirmed = "4 s on, 84 s off, 1600 pulses were written down from memory",
      note = "A 4 s train at 20 Hz and 90 % is over the 2009 table (2.05 s).",
      defaults = { pulses = 80, hz = 20, trains = 20, every = 88, intensity = mp.rmt(90) },
    },
  },
}
