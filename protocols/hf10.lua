-- High-frequency rTMS of the left DLPFC for depression: trains of pulses, one train every so
-- many seconds.
local mp = require "moonpulse"

local daily = { per_day = 1, days = { 20, 30 }, total = { 20, 30 } }

return mp.protocol {
  id = "hf10_neurostar",
  name = "10 Hz left DLPFC (NeuroStar, FDA 2008)",
  family = "depression rTMS",
  aim = "to treat depression",
  cite = "O'Reardon JP et al. 2007 Biol Psychiatry 62:1208-1216; "
    .. "Horvath JC 2010 J Vis Exp 45:2345",
  doi = "10.1016/j.biopsych.2007.01.018; 10.3791/2345",
  target = "left DLPFC (5 cm rule)",
  dose = "120 %MT",
  session = "5 d/wk, 4-6 wk (20-30) + 6 taper",
  sessions = { per_day = 1, days = { 20, 30 }, total = { 26, 36 } },
  reported = "37.5 min (75 x 30 s); \"37 min\"",
  evidence = "2",
  note = "A 4 s train at 10 Hz is 40 pulses, the last at 3.9 s. It lies within Rossi 2009, table "
    .. "4 (4.2 s), but over the table of Chen 1997 (3.2 s).",
  params = {
    pulses = { default = 40, min = 1, max = 100, help = "pulses of a train" },
    hz = { default = 10.0, min = 1, max = 25, help = "pulse rate" },
    trains = { default = 75, min = 1, max = 75, help = "number of trains" },
    every = { default = 30.0, min = 1, max = 120, help = "seconds from a train's onset to the next" },
    intensity = { default = mp.rmt(120), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    local train = mp.train { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
    return train:times(p.trains, { every = p.every })
  end,
  variants = {
    {
      id = "hf10_dash",
      name = "10 Hz left DLPFC (NeuroStar Dash)",
      cite = "Neuronetics labelling (FDA 510(k))",
      target = "left DLPFC",
      session = "5 d/wk, 4-6 wk",
      sessions = daily,
      reported = "18.75 min (75 x 15 s); also seen 18 min 26 s and 18.6 min",
      evidence = "S",
      note = "The nominal end is 1114 s = 18 min 34 s; the 18 min 26 s of a clinic's page fit no "
        .. "convention.",
      defaults = { every = 15 },
    },
    {
      id = "hf10_threed",
      name = "10 Hz left DLPFC (THREE-D arm)",
      cite = "Blumberger DM et al. 2018 Lancet 391:1683-1692",
      doi = "10.1016/S0140-6736(18)30295-2",
      target = "left DLPFC",
      dose = "120 %RMT",
      session = "5 d/wk, 4-6 wk",
      sessions = daily,
      reported = "37.5 min",
      evidence = "S; 4 s on, 26 s off M-H",
    },
    {
      id = "hf20_george1995",
      name = "20 Hz left PFC (first daily rTMS)",
      cite = "George MS et al. 1995 NeuroReport 6:1853-1856 (1996 paper on mood/hormones: J "
        .. "Neuropsychiatry Clin Neurosci 8:172-180)",
      doi = "10.1097/00001756-199510020-00008",
      target = "left PFC",
      dose = "80 %MT",
      session = "daily, 5/wk",
      sessions = { per_day = 1 },
      reported = "20 min",
      evidence = "S for 20 trains of 2 s at 20 Hz, 800 a day (Bortolomasi 2007, which used 90 %MT); "
        .. "80 %MT and one train a minute (George) M-M",
      note = "One train a minute, onset to onset: a gap of 58 s. Check which of the two George "
        .. "papers your source means.",
      defaults = { hz = 20, trains = 20, every = 60, intensity = mp.rmt(80) },
    },
    {
      id = "hf10_loo2007",
      name = "10 Hz left PFC twice daily",
      cite = "Loo CK, Mitchell PB, McFarquhar TF, Malhi GS, Sachdev PS. 2007 Psychol Med "
        .. "37:341-349",
      doi = "10.1017/S0033291706009597",
      target = "left PFC",
      dose = "110 %RMT",
      session = "2 sessions/day, >=1.5-2 h apart, 10 days",
      sessions = { per_day = 2, days = 10, total = 20, gap_min = 1.5 * 3600 },
      reported = "15 min",
      evidence = "M-M",
      unconfirmed = "the train (5 s at 10 Hz, every 30 s), the number of trains, the intensity "
        .. "and the time between sessions were written down from memory",
      defaults = { pulses = 50, trains = 30, intensity = mp.rmt(110) },
    },
    {
      id = "hf10_twice_modirrousta",
      name = "10 Hz 3000, once or twice daily",
      cite = "Modirrousta M, Meek BP, Wikstrom SL. 2018 Neuropsychiatr Dis Treat 14:309-316",
      doi = "10.2147/NDT.S151841",
      target = "left DLPFC",
      dose = "110 %RMT",
      session = "30 sessions, 1 or 2 a day",
      sessions = { per_day = { 1, 2 }, total = 30 },
      reported = "30 min",
      evidence = "S",
      defaults = { pulses = 50, trains = 60, intensity = mp.rmt(110) },
    },
  },
}
