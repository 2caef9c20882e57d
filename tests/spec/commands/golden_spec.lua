local shell = require "shell"

--- The command's output as rows; it must end well.
local function events(arguments)
  local pipe = assert(io.popen(("'%s' events %s 2>/dev/null"):format(shell.program, arguments)))
  local list = shell.rows_of(pipe:read("a"))
  assert.are.same({ true, "exit", 0 }, { pipe:close() })
  return list
end

-- The trials of the last one: S is the test pulse alone, P a pair.
local order, of_order = "SPPSPSSPSPSPPPSSPSPS", {}
for trial = 1, #order do
  local is_pair = order:sub(trial, trial) == "P"
  for _ = 1, is_pair and 2 or 1 do
    of_order[#of_order + 1] = { is_pair and "SICI" or "TS alone", trial, 1 }
  end
end

-- trial: so many pulses; nil: all are of one
local golden = {
  { id = "itbs600", file = "itbs600", pulses = 600, last_us = 191840000, reference = "AMT", trial = 30 },
  { id = "saint", file = "itbs1800_saint", pulses = 1800, last_us = 591840000, reference = "RMT",
    trial = 30 },
  { id = "ctbs600", file = "ctbs600", pulses = 600, last_us = 39840000, reference = "AMT" },
  { id = "ctbs600_30hz_5hz", file = "ctbs600_30hz_5hz", pulses = 600, last_us = 39866667,
    reference = "RMT" },
  { id = "hf10_neurostar", file = "rtms10hz_neurostar3000", pulses = 3000, last_us = 2223900000,
    reference = "RMT", trial = 40 },
  { id = "lf1_right_dlpfc", file = "rtms1hz_1200", pulses = 1200, last_us = 1199000000,
    reference = "RMT" },
  { id = "qps5", file = "qps5_1440", pulses = 1440, last_us = 1795015000, reference = "AMT", trial = 4 },
  -- a drawn order has no golden file: the file's order is given
  { id = "sici", parameters = "-p order=" .. order, places = of_order, file = "sici_block_example",
    pulses = 30,
    last_us = 95002000, reference = "RMT" },
}

describe("moonpulse events", function()
  for _, case in ipairs(golden) do
    it(("%s gives the golden onsets of %s, row for row"):format(case.id, case.file), function()
      local expected = shell.rows("tests/data/golden/" .. case.file .. ".tsv")
      local found = events(case.id .. " " .. (case.parameters or ""))
      assert.are.equal(case.pulses, #expected)
      assert.are.equal(case.pulses, #found)
      for i, row in ipairs(found) do
        local place = case.places and case.places[i]
          or { "train", case.trial and (i - 1) // case.trial + 1 or 1, "n/a" }
        assert.are.same({ cells = row.cells,
          index = expected[i].index, onset_us = expected[i].onset_us, event = "pulse",
          channel = "1", intensity = expected[i].intensity_pct_of_threshold,
          intensity_ref = case.reference, intensity_mso = "n/a", pulse = expected[i].index,
          label = "n/a", trial_type = place[1], trial = tostring(place[2]), block = tostring(place[3]),
        }, row)
      end
      assert.are.equal(case.last_us, tonumber(found[#found].onset_us))
    end)
  end
end)
