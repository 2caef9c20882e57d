-- I-wave periodicity TMS: pairs of pulses 1.5 ms apart, one pair every 5 s.
local mp = require "moonpulse"

return mp.protocol {
  id = "itms_iwave",
  name = "iTMS (I-wave periodicity), 1.5 ms pairs",
  family = "quadripulse and I-wave",
  aim = "to raise the excitability of the motor cortex with pairs at the interval of I-waves",
  cite = "Thickbroom GW et al. 2006 J Physiol; NIBS-BIDS builder",
  target = "M1",
  dose = "~SI for 0.5-1 mV",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "15 min (BIDS example); 30 min / 360 pairs in Thickbroom 2006",
  evidence = "S (NIBS-BIDS); 360 pairs M-M",
  note = "The sources disagree on 180 or 360 pairs: -p pairs=360 gives the other.",
  params = {
    pairs = { default = 180, min = 1, max = 720, help = "number of pairs, one every 5 s" },
    isi = { default = 1.5, min = 1, max = 10, help = "ms from pulse to pulse" },
    intensity = { default = mp.rmt(120), min = 1, max = 150,
      help = "that of a 0.5-1 mV MEP: about 120 %RMT; give the measured one as N%MSO" },
  },
  plan = function(p)
    local pair = mp.train { pulses = 2, every = mp.ms(p.isi), intensity = p.intensity }
    return pair:times(p.pairs, { every = 5 })
  end,
}
