-- A block of paired pulses as it is measured: the test pulse alone, SICI, ICF and LICI, as many
-- trials each, in random order and with random intervals.
local mp = require "moonpulse"

return mp.protocol {
  id = "paired_pulse_block",
  name = "Paired-pulse block: TS alone, SICI, ICF (and LICI) in random order",
  family = "paired pulse",
  aim = "to measure intracortical inhibition and facilitation in one block",
  cite = "Kujirai T et al. 1993 J Physiol 471:501-519; Valls-Sole J et al. 1992 "
    .. "Electroencephalogr Clin Neurophysiol 85:355-364",
  doi = "10.1113/jphysiol.1993.sp019912; 10.1016/0168-5597(92)90048-G",
  target = "M1",
  dose = "CS 80 %RMT (LICI: as TS); TS = SI1mV (~120 %RMT)",
  session = "10-24 trials per condition, randomised with TS alone",
  note = "A block of ours, made of the conditions sici, icf and lici; not the schedule of one "
    .. "paper. A condition with 0 trials is left out. Each trial has its condition in "
    .. "the record, as a label and as a mark. A BiStim needs 4 s as shortest, or a tenth of the "
    .. "conditioning pulse's %MSO (LICI: of the test pulse's) and 0.3 s, for power A falls so slowly: 7 s "
    .. "are enough up to 67 %MSO. A MagPro needs the Option.",
  params = {
    alone = { default = 20, min = 0, max = 200, help = "trials of the test pulse alone" },
    sici = { default = 20, min = 0, max = 200, help = "trials at sici_isi" },
    icf = { default = 20, min = 0, max = 200, help = "trials at icf_isi" },
    lici = { default = 0, min = 0, max = 200, help = "trials at lici_isi" },
    sici_isi = { default = 2.0, min = 1, max = 5, help = "ms" },
    icf_isi = { default = 12.0, min = 8, max = 20, help = "ms" },
    lici_isi = { default = 100.0, min = 50, max = 200, help = "ms" },
    shortest = { default = 7.0, min = 1, max = 60, help = "shortest interval of trials, s, onset to onset" },
    longest = { default = 9.0, min = 1, max = 60, help = "longest interval of trials, s, onset to onset" },
    cs = { default = mp.rmt(80), min = 1, max = 150, help = "conditioning pulse of SICI and ICF" },
    ts = { default = mp.rmt(120), min = 1, max = 150,
      help = "test pulse: SI1mV, about 120 %RMT; give the measured one as N%MSO" },
  },
  plan = function(p)
    local trials = {}
    local function add(count, condition, trial)
      local marked = mp.mark(condition) .. trial:label(condition)
      for _ = 1, count do
        trials[#trials + 1] = marked
      end
    end
    add(p.alone, "TS alone", mp.pulse(p.ts))
    add(p.sici, "SICI", mp.pair { isi = mp.ms(p.sici_isi), intensity = { p.cs, p.ts } })
    add(p.icf, "ICF", mp.pair { isi = mp.ms(p.icf_isi), intensity = { p.cs, p.ts } })
    add(p.lici, "LICI", mp.pair { isi = mp.ms(p.lici_isi), intensity = p.ts })
    return mp.trials { of = mp.shuffle(trials), shortest = p.shortest, longest = p.longest }
  end,
}
