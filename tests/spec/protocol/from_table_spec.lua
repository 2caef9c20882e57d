-- mp.from_table: what a table says is what is given, at exactly its onsets; what is wrong in it is told with
-- its line; the record keeps it. Expected times are computed from the digits of the table, as text.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local lfs = require "lfs"
local onset_table = require "moonpulse.protocol.onset_table"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder

--- "12.5" as nanoseconds, by its digits.
local function ns_of(text)
  local whole, part = text:match("^(%d+)%.?(%d*)$")
  return math.tointeger(whole) * 1000000000 + math.tointeger((part .. "000000000"):sub(1, 9))
end

--- Write a table and a protocol that names it; returns the protocol's path.
local function protocol(name, text, more)
  shell.write(("%s/%s"):format(folder, name), text)
  local path = ("%s/%s.lua"):format(folder, name:gsub("[/.]", "_"))
  shell.write(path, ('local mp = require "moonpulse"\nreturn mp.from_table(%q%s)\n'):format(name, more or ""))
  return path
end

local function rows_of(text)
  local lines, columns = {}, nil
  for line in text:gmatch("[^\n]+") do
    local cells = {}
    for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
      cells[#cells + 1] = cell
    end
    if not columns then
      columns = cells
    else
      local row = {}
      for i, name in ipairs(columns) do
        row[name] = cells[i]
      end
      lines[#lines + 1] = row
    end
  end
  return lines
end

--- The rows of moonpulse events.
local function events(path, options)
  local status, out, err = shell.moonpulse(folder, ("events %s %s"):format(path, options or "--rmt 50"))
  assert.are.equal(0, status, err)
  return rows_of(out), out, err
end

--- Run it; returns the run's folder.
local function run(path, options)
  local out = folder .. "/runs"
  os.execute(("rm -rf %s"):format(shell.quote(out)))
  local status, said, err = shell.moonpulse(folder, ("run %s --out %s %s"):format(path, out, options))
  assert.are.equal(0, status, said .. err)
  for name in lfs.dir(out) do
    if name ~= "." and name ~= ".." then
      return out .. "/" .. name
    end
  end
end

--- When the simulator gave its pulses, in nanoseconds, by its own log.
local function given(made)
  local list = {}
  for _, row in ipairs(rows_of((assert(shell.read(made .. "/twin.tsv"))))) do
    if row.event == "pulse" then
      list[#list + 1] = ns_of(row.time)
    end
  end
  return list
end

local onsets = { "0.75", "4.1", "8.000001", "12.345678901", "19.999999999", "25.5", "31.0625" }

local function table_of(list, cell)
  local lines = { "onset\tintensity\ttrial_type" }
  for i, onset in ipairs(list) do
    lines[i + 1] = ("%s\t%s\t%s"):format(onset, cell and cell(i) or "110%RMT", i % 2 == 0 and "B" or "A")
  end
  return table.concat(lines, "\n") .. "\n"
end

describe("a table's onsets", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are those of the plan, of the record and of the simulator's own log", function()
    local path = protocol("onsets.tsv", table_of(onsets))
    for i, row in ipairs(events(path)) do
      assert.are.equal((ns_of(onsets[i]) + 500) // 1000, math.tointeger(tonumber(row.onset_us)))
      assert.are.same({ i % 2 == 0 and "B" or "A", tostring(i), "1", "110", "RMT" },
        { row.trial_type, row.trial, row.block, row.intensity, row.intensity_ref })
    end
    for _, options in ipairs { "", "--device sim:magventure", "--device sim:magstim200" } do
      local made = run(path, options .. " --rmt 50 --speed max")
      local twin, planned = given(made), {}
      for _, row in ipairs(rows_of((assert(shell.read(made .. "/events.tsv"))))) do
        planned[#planned + 1] = row.event == "pulse" and row.onset_planned_us or nil
      end
      assert.are.equal(#onsets, #twin, options)
      for i, onset in ipairs(onsets) do
        assert.are.equal(ns_of(onset) - ns_of(onsets[1]), twin[i] - twin[1], options .. " " .. onset)
        local micro, part = planned[i]:match("^(%d+)%.(%d%d%d)$")
        assert.are.equal(ns_of(onset), math.tointeger(micro .. part), options)
      end
    end
  end)

  it("are those of the simulator in real time, as closely as pulses are sent", function()
    local short = { "0.05", "0.4", "0.7234", "1.3" }
    local path = protocol("short.tsv", table_of(short))
    local made = run(path, "--rmt 50 --tolerance 1000")
    local sent = {}
    for _, row in ipairs(rows_of((assert(shell.read(made .. "/events.tsv"))))) do
      if row.event == "pulse" then
        sent[#sent + 1] = row
      end
    end
    assert.are.equal(#short, #sent)
    assert.are.equal(#short, #given(made))
    for i, row in ipairs(sent) do
      assert.are.equal(ns_of(short[i]) // 1000, math.tointeger(tonumber(row.onset_planned_us)))
    end
  end)

  it("and intensities, pairs and channels are what the columns say", function()
    local path = protocol("pairs.tsv", "onset\tintensity\tisi\tlabel\tchannel\n"
      .. "1\t80%RMT 120%RMT\t0.0025\tSICI\tleft\n3.5\t45 %MSO\tn/a\tTS\tright\n9\t60%AMT\t0.1\t\tleft\n")
    local found = {}
    for i, row in ipairs(events(path, "--rmt 50 --amt 40")) do
      found[i] = ("%s %s %s%s %s %s"):format(row.onset_us, row.channel, row.intensity, row.intensity_ref,
        row.trial_type, row.trial)
    end
    assert.are.same({ "1000000 left 80RMT SICI 1", "1002500 left 120RMT SICI 1", "3500000 right 45MSO TS 2",
      "9000000 left 60AMT pair 3", "9100000 left 60AMT pair 3" }, found)
  end)

  it("of different channels may be at once, or overlap, and are then one trial", function()
    local path = protocol("two.tsv", "onset\tintensity\tisi\tchannel\n1\t40%MSO\t0.2\ta\n1\t50%MSO\t\tb\n"
      .. "1.1\t60%MSO\t\tb\n1.2001\t70%MSO\t\ta\n4\t40%MSO\t\tb\n")
    local found = {}
    for i, row in ipairs(events(path)) do
      found[i] = ("%s %s %s %s"):format(row.onset_us, row.channel, row.intensity, row.trial)
    end
    assert.are.same({ "1000000 a 40 1", "1000000 b 50 1", "1100000 b 60 1", "1200000 a 40 1",
      "1200100 a 70 2", "4000000 b 40 3" }, found)
  end)

  it("with blanks in their cells are not taken for others", function()
    local path = protocol("blank.tsv", "onset\tchannel\ttrial_type\n1\ta\tb c\n2\ta b\tc\n",
      ", { of = mp.pulse(mp.mso(40)) }")
    local status, _, err = shell.moonpulse(folder, "events " .. path)
    assert.are.equal(2, status)
    assert.matches("channel", err, 1, true) -- "a b" is none
  end)

  it("take what the protocol gives, for each trial type or for all", function()
    local text = "onset,trial_type,duration\n2,SICI,0\n4.5,TS,0\n7,SICI,0\n"
    local pair = "mp.pair { isi = mp.ms(2), intensity = { mp.rmt(80), mp.rmt(120) } }"
    local path = protocol("design.csv", text, (", { of = { SICI = %s, TS = mp.pulse(mp.rmt(120)) } }")
      :format(pair))
    local found = {}
    local rows, _, err = events(path)
    for i, row in ipairs(rows) do
      found[i] = ("%s %s %s %s"):format(row.onset_us, row.intensity, row.trial_type, row.trial)
    end
    assert.are.same({ "2000000 80 SICI 1", "2002000 120 SICI 1", "4500000 120 TS 2",
      "7000000 80 SICI 3", "7002000 120 SICI 3" }, found)
    assert.matches("design.csv: what stands in duration is not read", err, 1, true)
    path = protocol("all.csv", text, ", { of = mp.burst { pulses = 2, hz = 50, intensity = mp.rmt(70) } }")
    rows = events(path)
    assert.are.equal(6, #rows)
    assert.are.same({ "4520000", "TS", "2" }, { rows[4].onset_us, rows[4].trial_type, rows[4].trial })
  end)

  it("are the same however the file is written", function()
    local _, expected, said = events(protocol("plain.tsv", table_of(onsets)))
    assert.are.equal("", said)
    local plain = table_of(onsets)
    local ways = { bom = "\xEF\xBB\xBF" .. plain, crlf = plain:gsub("\n", "\r\n"),
      cr = plain:gsub("\n", "\r"),
      open_end = plain:sub(1, -2), empty_rows = plain:gsub("\n", "\n\n\t\t\n"), csv = plain:gsub("\t", ","),
      quoted = (plain:gsub("[^\t\n]+", '"%0"')),
      quoted_csv = (plain:gsub("[^\t\n]+", '"%0"'):gsub("\t", ",")),
      spaces = plain:gsub("\t", " \t "), power = plain:gsub("12%.345678901", "1.2345678901E+01"),
      zeros = plain:gsub("25%.5", "0025.500000000000"), plus = plain:gsub("4%.1\t", "+4.1\t") }
    for name, text in pairs(ways) do
      local _, found = events(protocol(name .. ".tsv", text))
      assert.are.equal(expected, found, name)
    end
  end)

  it("are read digit by digit: what is below a nanosecond is rounded, and nothing else", function()
    local cases = { ["0"] = 0, ["4.1"] = 4100000000, [".5"] = 500000000, ["7."] = 7000000000,
      ["1e3"] = 1000000000000,
      ["0.1234567894999"] = 123456789, ["0.1234567895"] = 123456790, ["1.5e-9"] = 2, ["4e-10"] = 0,
      ["123456.000000001"] = 123456000000001, ["9007199.254740993"] = 9007199254740993, ["1e-30"] = 0,
      ["0.00000000051"] = 1, ["12e-3"] = 12000000, ["00012.50"] = 12500000000 }
    for text, ns in pairs(cases) do
      assert.are.equal(ns, (onset_table.nanoseconds(text)), text)
    end
    for _, text in ipairs { "", ".", "e5", "1,5", "0x10", "1 2", "inf", "nan", "1e", "--1", "1e400" } do
      assert.is_nil((onset_table.nanoseconds(text)), text)
    end
    for i = 1, 2000 do -- any number of nanoseconds, written in full
      local ns = core.draw(7, i, (1 << 53) - 1)
      assert.are.equal(ns, (onset_table.nanoseconds(("%d.%09d"):format(ns // 1000000000, ns % 1000000000))))
    end
  end)

  it("may be 20,000, and not more", function()
    local at, list, lines = 0, {}, { "onset\tintensity" }
    for i = 1, 20000 do
      at = at + 3000000 + core.draw(3, i, 2999999)
      list[i], lines[i + 1] = at, ("%d.%06d\t40%%MSO"):format(at // 1000000, at % 1000000)
    end
    local rows = events(protocol("many.tsv", table.concat(lines, "\n")))
    assert.are.equal(#list, #rows)
    for i, row in ipairs(rows) do
      assert.are.equal(list[i], math.tointeger(tonumber(row.onset_us)))
    end
    lines[#lines + 1] = "999999\t40%MSO"
    local more = protocol("more.tsv", table.concat(lines, "\n"))
    local status, _, err = shell.moonpulse(folder, "events " .. more)
    assert.are.equal(2, status)
    assert.matches("more.tsv:20002: more than 20,000 rows", err, 1, true)
  end)
end)

describe("a table that is wrong", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function refused(text, why, more, name)
    local path = protocol(name or "t.tsv", text, more)
    local status, out, err = shell.moonpulse(folder, "events " .. path .. " --rmt 50")
    assert.are.equal(2, status, out)
    assert.matches(why, err, 1, true)
    assert.matches(path .. ":2: from_table: ", err, 1, true)
  end

  it("is told with its line, and what to do", function()
    local head = "onset\tintensity\n"
    local cases = {
      ["1\t40%MSO\n3\t40%MSO\n2\t40%MSO\n"] = "t.tsv:4: onset 2 lies before that of line 3, 3: sort the rows",
      ["1\t40%MSO\n\n1.0\t40%MSO\n"] = "t.tsv:4: onset 1.0 is that of line 2 as well",
      ["-1\t40%MSO\n"] = "t.tsv:2: onset is \"-1\", before the plan's start: add the same number to all",
      ["one\t40%MSO\n"] = "t.tsv:2: onset is \"one\", which is no number of seconds, like 4.1",
      ["4,1\t40%MSO\n"] = "t.tsv:2: onset is \"4,1\", with a decimal comma: write 4.1",
      ["4.1 s\t40%MSO\n"] = "t.tsv:2: onset is \"4.1 s\": write the number alone",
      ["n/a\t40%MSO\n"] = "t.tsv:2: onset is missing: write the seconds",
      ["\t40%MSO\n"] = "t.tsv:2: onset is missing",
      ["nan\t40%MSO\n"] = "t.tsv:2: onset is \"nan\", which is no number",
      ["9e11\t40%MSO\n"] = "longer than a plan can last",
      ["1\n"] = "t.tsv:2: 1 cell, and the header has 2",
      ["1\t40%MSO\tx\n"] = "t.tsv:2: 3 cells, and the header has 2",
      ["1\t40\n"] = "t.tsv:2: intensity 40 does not say what it is a percentage of: write 40%MSO",
      ["1\t40%\n"] = "t.tsv:2: intensity 40% does not say",
      ["1\t140%MSO\n"] = "t.tsv:2: intensity: \"140%MSO\": an intensity lies in 0 to 100 %MSO",
      ["1\tn/a\n"] = "t.tsv:2: intensity is missing",
      ["1\t40%MSO 50%MSO\n"] = "t.tsv:2: two intensities and no isi",
      ["1\t\"40%MSO\n"] = "t.tsv:2: a quote is not closed",
      ["1\t\"40%MSO\"5\n"] = "t.tsv:2: there is text behind a cell in quotes",
      [""] = "t.tsv: it has a header and no row",
    }
    for rows, why in pairs(cases) do
      refused(head .. rows, why)
    end
    refused("onset\tintensity\tisi\n1\t40%MSO\t0.1\n1.1\t40%MSO\t\n", "t.tsv:3: onset 1.1 is not behind the "
      .. "stimulus of line 2, which ends at 1.1 s")
    refused("onset\tintensity\tisi\n1\t40%MSO 50%MSO\t0.1\n2\t40%MSO 50%MSO\t\n", "t.tsv:3: two "
      .. "intensities and no isi")
    refused("onset\tintensity\tisi\n1\t40%MSO\t0\n", "t.tsv:2: isi is 0")
    refused("onset\tintensity\tchannel\n1\t40%MSO\ta\n1\t40%MSO\t\n", "t.tsv:3: onset 1 is that of line 2")
    refused("onset\tintensity\tlabel\n1\t40%MSO\t=1\n", "t.tsv:2: label: \"=1\"")
    refused("onset\tintensity\tchannel\n1\t40%MSO\ta\n2\t40%MSO\t=a\n", "t.tsv:3: channel: \"=a\": the name")
    refused("onset\tintensity\ttrial_type\n1\t40%MSO\tpulse\n2\t40%MSO\tburst\n",
      "t.tsv:3: trial_type burst is "
      .. "what a record calls a burst that has no name, and this is a pulse: use another name")
    refused("onset\tchannel\n1\tb\n",
      "t.tsv:2: channel is \"b\", and each pulse of what is given there has a "
      .. "channel already", ', { of = mp.pulse(mp.mso(40)):at "a" }')
    local huge = ("x"):rep(5000)
    for _, cell in ipairs { huge, huge:gsub("x", "4") .. "%", "1\t" .. huge } do
      local text = cell:find "\t" and "onset\ttrial_type\n" .. cell .. "\n"
        or "onset\tintensity\n1\t" .. cell .. "\n"
      local path = protocol("t.tsv", text, cell:find "\t" and ', { of = { TS = mp.pulse(mp.mso(40)) } }')
      local status, _, err = shell.moonpulse(folder, "events " .. path)
      assert.are.equal(2, status)
      assert.matches("t.tsv:2: ", err, 1, true)
      assert.is_true(#err < 600, err)
    end
  end)

  it("is told where its header is wrong, or the whole file", function()
    local cases = {
      [""] = "t.tsv: it is empty", ["\n\n"] = "it is empty",
      ["Onset\tintensity\n1\t40%MSO\n"] = "t.tsv:1: the column \"Onset\" is not known: is it onset?",
      ["onset\tintensty\n1\t40%MSO\n"] = "is it intensity?",
      ["onset\ttrialtype\n1\tA\n"] = "is it trial_type?",
      ["time\tintensity\n1\t40%MSO\n"] = "t.tsv:1: there is no column onset (in seconds from the plan's "
        .. "start); there are: time",
      ["1\t40%MSO\n"] = "t.tsv:1: the first line has numbers: it is the header",
      ["onset;intensity\n4,1;40%MSO\n"] = "t.tsv:1: the columns are separated by semicolons",
      ["onset intensity\n1 40%MSO\n"] = "t.tsv:1: the columns are separated by blanks",
      ["onset\tonset\n1\t2\n"] = "two columns are onset",
      ["onset\tlabel\ttrial_type\n1\tA\tB\n"] = "two columns are trial_type or label",
      ["\xff\xfeo\0n\0"] = "it is no UTF-8 text", ["onset\tlabel\n1\t\xff\n"] = "bytes that are no UTF-8",
      ["PK\3\4x"] = "it is a spreadsheet's own file",
      ["onset\n1\n"] = "t.tsv has no column intensity (like 110%RMT)",
      ["onset,intensity\n4,1,40%MSO\n"] = "t.tsv:2: 3 cells, and the header has 2: has a number a decimal "
        .. "comma?",
    }
    for text, why in pairs(cases) do
      refused(text, why)
    end
    local of = ", { of = { A = mp.pulse(mp.mso(40)) } }"
    refused("onset\ttrial_type\n1\tA\n2\tC\n", "t.tsv:3: trial_type is \"C\", and of = { ... } says by "
      .. "trial_type what is given: it has A", of)
    refused("onset\ttrial_type\n1\t\n", "t.tsv:2: trial_type is missing", of)
    refused("onset\n1\n", "t.tsv has no column trial_type", of)
    refused("onset\tintensity\n1\t40%MSO\n", "a column intensity, and of = says what is given, too", of)
    refused("onset\n1\n", "of must be a plan", ", { of = 5 }")
    refused("onset\n1\n", "there is no option \"intensity\"; known: hz, of", ", { intensity = mp.mso(40) }")
  end)

  it("is not looked for elsewhere, and nothing but a table is read", function()
    shell.write(folder .. "/secret.tsv", "onset\tintensity\n1\t40%MSO\n")
    assert(lfs.mkdir(folder .. "/inner"))
    assert(lfs.mkdir(folder .. "/inner/folder.tsv"))
    local cases = { ["../secret.tsv"] = "lies beside the protocol's file",
      [folder .. "/secret.tsv"] = "lies beside", ["e.xlsx"] = "is a text file",
      ["none.tsv"] = "there is no file none.tsv, neither beside the protocol's file",
      ["p.lua"] = "a table is a text file .tsv, .csv or .txt", ["folder.tsv"] = "is a directory, not a file",
      ["secret.tsv\0.tsv"] = "lies beside" }
    for name, why in pairs(cases) do
      shell.write(folder .. "/inner/p.lua", ('local mp = require "moonpulse"\nreturn mp.from_table(%q)\n')
        :format(name))
      local status, _, err = shell.moonpulse(folder, ("events %s/inner/p.lua"):format(folder))
      assert.are.equal(2, status, name)
      assert.matches(why, err, 1, true)
    end
  end)
end)

describe("a record of a table's run", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local experiment = [[local mp = require "moonpulse"
return mp.experiment { name = "E", run = function(run)
  local stim = run:device()
  stim:arm()
  stim:play(mp.from_table "tables/x.tsv")
  %s
  stim:play(mp.from_table "tables/x.tsv")
end }
]]

  local function role_of(made)
    local manifest = shell.read(made .. "/manifest.json")
    for _, each in ipairs(cjson.decode(manifest).files) do
      if each.role == "table" then
        return each
      end
    end
  end

  it("keeps it, and verify and rerun need no other", function()
    assert(lfs.mkdir(folder .. "/tables"))
    local text = "onset\tintensity\r\n0.5\t40%MSO\r\n3.25\t50%MSO\r\n"
    local first = protocol("tables/x.tsv", text)
    shell.write(folder .. "/e.lua", experiment:format(""))
    for _, path in ipairs { first, folder .. "/e.lua" } do
      shell.write(folder .. "/tables/x.tsv", text)
      local made = run(path, "--speed max")
      local each = role_of(made)
      assert.are.equal("tables/x.tsv", each.as)
      assert.are.equal(text, shell.read(made .. "/" .. each.file))
      local pipe = assert(io.popen(("sha256sum %s/%s"):format(shell.quote(made), each.file)))
      assert.are.equal(each.sha256, pipe:read("a"):match("^%x+"))
      pipe:close()
      for _, other in ipairs { "gone", "onset\tintensity\n0.6\t40%MSO\n3\t50%MSO\n" } do
        os.remove(folder .. "/tables/x.tsv")
        if other ~= "gone" then
          shell.write(folder .. "/tables/x.tsv", other)
        end
        local found = assert(verify.folder(made, {}))
        assert.are.same({}, found.differs, path)
        local again = folder .. "/again"
        shell.remove(again)
        local status, out, err = shell.moonpulse(folder, ("rerun %s --out %s"):format(made, again))
        assert.are.equal(0, status, out .. err)
        assert.matches("SAME", out, 1, true)
      end
      local kept = made .. "/" .. each.file -- and a changed one is found
      assert(os.execute(("chmod u+w %s"):format(shell.quote(kept))))
      shell.write(kept, (text:gsub("3%.25", "3.20")))
      assert.is_true(#assert(verify.folder(made, {})).differs > 0, path)
    end
  end)

  it("that broke off is gone on with from its own table alone, as far apart as the table says", function()
    local path = protocol("broken.tsv", table_of(onsets))
    local status, out = shell.moonpulse(folder, ("run %s --rmt 50 --speed max --fault unplug@3 --out "
      .. "%s/broken"):format(path, folder))
    assert.are_not.equal(0, status, out)
    os.remove(folder .. "/broken.tsv")
    local pipe = assert(io.popen(("ls -d %s/broken/*"):format(shell.quote(folder))))
    local first = pipe:read "l"
    pipe:close()
    local err
    status, out, err = shell.moonpulse(folder, ("resume %s --out %s/rest"):format(first, folder))
    assert.are.equal(0, status, out .. err)
    pipe = assert(io.popen(("ls -d %s/rest/*"):format(shell.quote(folder))))
    local made = pipe:read "l"
    pipe:close()
    local twin = given(made)
    assert.is_true(#twin > 0 and #twin < #onsets, tostring(#twin))
    local skipped = #onsets - #twin
    for i, at in ipairs(twin) do
      assert.are.equal(ns_of(onsets[skipped + i]) - ns_of(onsets[skipped + 1]), at - twin[1])
    end
    assert.are.same({}, assert(verify.folder(made, {})).differs)
  end)

  it("has one table of a name: one that an experiment writes anew is refused", function()
    shell.write(folder .. "/tables/x.tsv", "onset\tintensity\n0.5\t40%MSO\n")
    shell.write(folder .. "/w.lua", experiment:format(([[local file = io.open(%q, "w")
  file:write("onset\tintensity\n0.7\t40%%MSO\n")
  file:close()]]):format(folder .. "/tables/x.tsv")))
    local status, _, err = shell.moonpulse(folder, ("run %s/w.lua --speed max --out %s/runs_w"):format(folder,
      folder))
    assert.are.equal(2, status, err)
    assert.matches("w.lua:9: from_table: tables/x.tsv is not what it was when this run read it first", err, 1,
      true)
  end)

  it("may be of a table for each participant, in the current folder", function()
    assert(lfs.mkdir(folder .. "/study"))
    assert(lfs.mkdir(folder .. "/data"))
    shell.write(folder .. "/study/p.lua", [[local mp = require "moonpulse"
return mp.protocol { name = "P", params = { onsets = { default = "default.tsv" } }, plan = function(p)
  return mp.from_table(p.onsets)
end }
]])
    shell.write(folder .. "/study/default.tsv", "onset\tintensity\n2\t40%MSO\n")
    shell.write(folder .. "/data/s1.tsv", "onset\tintensity\n3\t40%MSO\n")
    local function first(options)
      local status, out, err = shell.sh(folder, ("cd %s/data && %s events ../study/p.lua %s"):format(
        shell.quote(folder), shell.quote(shell.absolute), options))
      assert.are.equal(0, status, err)
      return rows_of(out)[1].onset_us
    end
    assert.are.equal("2000000", first(""))
    assert.are.equal("3000000", first("-p onsets=s1.tsv"))
  end)
end)

describe("the page's examples of tables and intervals", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are given as they stand there", function()
    local page = assert(shell.read "docs/protocols.md")
    local section = assert(page:match("\n## Onsets from a table\n(.-)\n## "))
    local code, own = section:match("```lua\n(.-)```.-```lua\n(.-)```")
    local text = assert(section:match("```\n(onset.-)```"))
    shell.write(folder .. "/mine.lua", code)
    shell.write(folder .. "/onsets.tsv", text)
    local found = {}
    for i, row in ipairs(events(folder .. "/mine.lua", "--rmt 48")) do
      found[i] = ("%s %s"):format(row.onset_us, row.trial_type)
    end
    assert.are.same({ "1250000 TS", "6100000 SICI", "6102000 SICI", "12345678 TS" }, found)
    shell.write(folder .. "/own.lua", own)
    shell.write(folder .. "/design.csv", "onset,trial_type,duration\n0,TS,0\n8.25,SICI,0\n17.5,TS,0\n")
    assert.are.equal(4, #events(folder .. "/own.lua", "--rmt 48"))
    local intervals = assert(page:match("\n### Intervals one by one\n.-```lua\n(.-)```"))
    shell.write(folder .. "/intervals.lua", intervals)
    local rows = events(folder .. "/intervals.lua", "--rmt 48")
    assert.are.same({ "8100000", "26066667" }, { rows[2].onset_us, rows[6].onset_us })
    for _, name in ipairs { "mine", "own", "intervals" } do
      local made = run(("%s/%s.lua"):format(folder, name), "--rmt 48 --device sim:bistim --speed max")
      assert.is_true(#given(made) > 0)
    end
  end)
end)
