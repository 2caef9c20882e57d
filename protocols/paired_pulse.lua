-- Paired pulses: a conditioning and a test pulse a few milliseconds apart, with or without trials
-- of the test pulse alone between them, in random order.
local mp = require "moonpulse"

local si1mv = "test pulse; SI1mV in the papers: about 120 %RMT, give the measured one as N%MSO"

return mp.protocol {
  id = "sici",
  name = "SICI (paired pulse)",
  family = "paired pulse",
  aim = "to measure short-interval intracortical inhibition",
  cite = "Kujirai T et al. 1993 J Physiol 471:501-519",
  doi = "10.1113/jphysiol.1993.sp019912",
  target = "M1",
  dose = "CS 70-80 %RMT or 80 %AMT; TS = SI1mV (~120 %RMT)",
  session = "10-24 trials per condition, randomised with TS alone",
  reported = "2 min",
  evidence = "2",
  note = "The defaults give the paired condition. The ratio needs trials of the test pulse alone "
    .. "among them: -p singles=20, or paired_pulse_block (a BiStim needs 4 s as shortest, or a tenth of the "
    .. "conditioning pulse's %MSO and 0.3 s). Typical intervals are 1, 2, 2.5 and 3 ms. "
    .. "The test pulse always comes one interval after the trigger, also alone.",
  params = {
    pairs = { default = 20, min = 1, max = 200, help = "paired trials" },
    singles = { default = 0, min = 0, max = 200, help = "trials of the test pulse alone, in random order" },
    order = { default = "", help = "a fixed order instead: letters S (test alone) and P (paired)" },
    isi = { default = 2.0, min = 0.5, max = 300, help = "ms from the conditioning to the test pulse" },
    shortest = { default = 5.0, min = 1, max = 60, help = "shortest interval of trials, s, onset to onset" },
    longest = { default = 5.0, min = 1, max = 60, help = "longest interval of trials, s, onset to onset" },
    cs = { default = mp.rmt(80), with_amt = mp.amt(80), min = 0, max = 150,
      help = "conditioning pulse; 80 %AMT where --amt is given" },
    ts = { default = mp.rmt(120), min = 0, max = 150, help = si1mv },
    condition = { default = "SICI", help = "what the paired trials are called in the record" },
  },
  plan = function(p)
    local single = (mp.rest(mp.ms(p.isi)) .. mp.pulse(p.ts)):label "TS alone"
    local paired = mp.pair { isi = mp.ms(p.isi), intensity = { p.cs, p.ts } }:label(p.condition)
    local trials = {}
    if p.order ~= "" then
      for letter in p.order:gmatch "." do
        assert(letter == "S" or letter == "P", "order: write it with S and P, like SPPS")
        trials[#trials + 1] = letter == "P" and paired or single
      end
    else
      for i = 1, p.pairs + p.singles do
        trials[i] = i <= p.pairs and paired or single
      end
      trials = p.singles > 0 and mp.shuffle(trials) or trials
    end
    return mp.trials { of = trials, shortest = p.shortest, longest = p.longest }
  end,
  variants = {
    {
      id = "icf",
      name = "ICF",
      aim = "to measure intracortical facilitation",
      dose = "CS 80 %RMT; TS SI1mV",
      session = "as SICI",
      evidence = "2",
      note = "Intervals of 8 to 20 ms, usually 10 to 15. For trials of the test pulse alone see "
        .. "sici.",
      defaults = { isi = 12, cs = mp.rmt(80), condition = "ICF" },
    },
    {
      id = "lici",
      name = "LICI",
      aim = "to measure long-interval intracortical inhibition",
      cite = "Valls-Sole J et al. 1992 Electroencephalogr Clin Neurophysiol 85:355-364",
      doi = "10.1016/0168-5597(92)90048-G",
      dose = "CS and TS both supra (SI1mV, or 110-120 %RMT)",
      session = "as SICI",
      evidence = "M-H",
      unconfirmed = "intervals and intensities were written down from memory",
      note = "Intervals of 50 to 200 ms, usually 100 or 150. For trials of the test pulse alone "
        .. "see sici.",
      defaults = { isi = 100, cs = mp.rmt(120), condition = "LICI" },
    },
    {
      id = "sicf",
      name = "SICF (I-wave facilitation)",
      aim = "to measure short-interval intracortical facilitation",
      cite = "Tokimura H et al. 1996; Ziemann U et al. 1998 J Physiol 511:181",
      doi = "10.1111/j.1469-7793.1998.181bi.x",
      dose = "S1 supra (SI1mV), S2 90 %RMT",
      session = "as SICI",
      evidence = "M-H",
      note = "The order is reversed: the first pulse (cs) is above threshold, the second (ts) "
        .. "below. Peaks near 1.1-1.5, 2.3-2.9 and 4.1-4.4 ms: 0.1 ms are needed. For trials of "
        .. "the second pulse alone see sici.",
      defaults = { isi = 1.5, cs = mp.rmt(120), ts = mp.rmt(90), condition = "SICF" },
    },
  },
}
