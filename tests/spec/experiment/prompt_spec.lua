-- moonpulse repl, fed from files and pipes: what is typed is run as a script's lines are, errors go on, and
-- the record is that of any experiment. What was given the simulator's own log says.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"

describe("a prompt", function()
  local folder

  fixture.each_test(function(made) folder = made end)

  --- Have lines typed from a file; status, what it said, the run's folder.
  local function typed(lines, options)
    shell.write(folder .. "/lines", table.concat(lines, "\n") .. "\n")
    local status, out, err = shell.moonpulse(folder, ("repl --speed max --seed 5 --answers %s/lines "
      .. "--out %s/runs %s"):format(folder, folder, options or ""))
    return status, out .. err, ("%s/runs/%s"):format(folder, shell.names(folder .. "/runs")[1] or "")
  end

  --- The intensities of the pulses that the simulator gave, by its log.
  local function given(run)
    local list = {}
    for line in io.lines(run .. "/twin.tsv") do
      local cells = shell.cells(line)
      if cells[2] == "pulse" then
        list[#list + 1] = tonumber(line:match "\t(%d+)%f[^%d][^\t]*$") or line
      end
    end
    return list
  end

  local function count_pulses(run)
    return select(2, shell.read(run .. "/twin.tsv"):gsub("\tpulse\t", ""))
  end

  local function has(text, part)
    assert(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
  end

  it("runs each line, prints what it gives, and keeps names from line to line", function()
    local status, said, run = typed { "x = 20", "x * 2, 'a', nil -- c", "{ b = { 1, 2 }, x, 'y' }",
      "mp.train { pulses = 3, hz = 5, intensity = mp.mso(x) }", "function twice(a) return 2 * a end",
      "return twice(x)", "mp.rmt(110)", "stim:arm()", "stim:armed()", "stim" }
    assert.are.equal(0, status, said)
    has(said, "> x * 2, 'a', nil -- c\n40\na\nnil\n")
    has(said, "\n{ 20, \"y\", b = { 1, 2 } }\n")
    has(said, "\ntrain: 3 pulses at 5 Hz, 20 %MSO\n3 pulses, 600 ms\n")
    has(said, "> return twice(x)\n40\n")
    has(said, "\n110 %RMT\n")
    has(said, "armed 1 %MSO> stim:armed()\ntrue\n")
    has(said, "stim has: arm, play, fire")
    assert.are.equal(0, count_pulses(run))
  end)

  it("answers as docs/repl.md shows it, but for the times", function()
    local session = shell.read("docs/repl.md"):match("\n    (moonpulse> train = .-\n)\n"):gsub("\n    ", "\n")
    local lines = {}
    for line in session:gmatch "[^\n]+" do
      lines[#lines + 1] = line:match "^%l+> (.*)" or line:match "^armed %d+ %%MSO> (.*)"
    end
    local _, said = typed(lines)
    said = said:match("(moonpulse> train = .-\nmoonpulse> quit\n)"):gsub("timing [^\n]*\n", "")
    local function timeless(text) return (text:gsub("%d+%.%d+", "T"):gsub(" +", " ")) end
    assert.are.equal(timeless(session), timeless(said))
  end)

  it("gives what is typed, and shows at what the stimulator is armed", function()
    local status, said, run = typed { "stim:arm()", "stim:fire(mp.pulse(mp.mso(33)))",
      "for i = 1, 2 do", "", "  stim:fire(mp.pulse(mp.mso(40 + i)))", "end", "stim:disarm()", "1" }
    assert.are.equal(0, status, said)
    assert.are.same({ "33", "41", "42" }, (function()
      local list = {}
      for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
        list[#list + 1] = row.event == "pulse" and row.intensity_mso or nil
      end
      return list
    end)())
    assert.are.equal(3, #given(run))
    has(said, "armed 33 %MSO> for i = 1, 2 do\n>> \n>>   stim:fire")
    has(said, "armed 42 %MSO> stim:disarm()\nmoonpulse> 1\n1\n")
  end)

  it("goes on after errors and refusals, which name the line that was typed and what to do", function()
    local status, said, run = typed { "stim:fire(mp.pulse(mp.mso(50)))", "ttrain = 1", "train", "stim:arm()",
      "if x", "then", "))", "error { 1 }", "stim:fire(mp.pulse(mp.mso(150)))",
      "stim:play(mp.train { pulses = 9, hz = 1000, intensity = mp.mso(100) })", "local a = 2", "f(", "quit",
      "mp.burst {", "}", "setmetatable({}, { __tostring = function() error 'no' end })",
      "stim:fire(mp.pulse(mp.mso(20)))" }
    assert.are.equal(0, status, said)
    has(said, "prompt:1: stim:fire: the stimulator is not armed: call stim:arm() first\n")
    has(said, "prompt:3: train is not known: is it misspelt (ttrain?), or not set yet: train = ...\n")
    has(said, "prompt:7: unexpected symbol near ')'")
    has(said, "\nan error that is a table without words\n")
    has(said, "prompt:9: mso(150): an intensity lies in 0 to 100 %MSO\n")
    has(said, "prompt:10: pulses 1 and 2 (at 0.000000 s and 0.001000 s) are 1 ms apart (prompt:10)")
    has(said, "without the word local a stays")
    has(said, "prompt:12: unexpected symbol near <eof> (given up)\n")
    has(said, "prompt:14: burst: ")
    has(said, "prompt:16: no\n")
    assert.are.equal(1, count_pulses(run))
    local marks = {}
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      marks[row.reply] = true
    end
    assert.is_true(marks["prompt:1: stim:fire: the stimulator is not armed: call stim:arm() first"])
    assert.is_true(marks["moonpulse> train"])
  end)

  it("leaves a record that verify makes again, and rerun repeats to the byte", function()
    local status, said, run = typed { "stim:arm()", "a = run:ask 'How strong? [number]'", "31",
      "stim:fire(mp.pulse(mp.mso(tonumber(a))))", "run:sleep(run:uniform(1, 2))", "stim:status().temp_c",
      "oops", "stim:fire(mp.pulse(mp.mso(30)))" }
    assert.are.equal(0, status, said)
    assert.are.equal(2, count_pulses(run))
    local checked
    status, checked = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, status, checked)
    has(checked, "events.tsv and twin.tsv are what the kept text, seed, parameters and answers make")
    local again
    status, again = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.are.equal(0, status, again)
    has(again, "events.tsv  the same bytes")
    local journal = shell.read(run .. "/journal.jsonl")
    has(journal, '"answer":"stim:fire(mp.pulse(mp.mso(tonumber(a))))"')
    has(journal, '"answer":"quit"') -- the end of the file
  end)

  it("keeps what is typed as it is typed, also where it looks like a path of this computer", function()
    local lines = { "stim:arm()", "stim:fire(mp.pulse(mp.mso(800 /4/5)))",
      "file = '/home/kim/lab/helper.lua'", "stim:fire(mp.pulse(mp.mso(#file)))",
      "a = run:ask 'Which file?'", folder .. "/data/mep.txt", "stim:fire(mp.pulse(mp.mso(#a)))" }
    local status, said, run = typed(lines)
    assert.are.equal(0, status, said)
    local function intensities(of)
      local list = {}
      for _, row in ipairs(shell.rows(of .. "/twin.tsv")) do
        list[#list + 1] = row.event == "pulse" and tonumber(row.intensity) or nil
      end
      return list
    end
    local meant = { 40, 24, #(folder .. "/data/mep.txt") }
    assert.are.same(meant, intensities(run))
    local answers, marks = {}, {}
    for line in io.lines(run .. "/journal.jsonl") do
      local entry = cjson.decode(line)
      answers[#answers + 1] = entry.kind == "answer" and entry.answer or nil
    end
    lines[#lines + 1] = "quit"
    assert.are.same(lines, answers)
    for _, row in ipairs(shell.rows(run .. "/events.tsv")) do
      marks[row.reply] = true
    end
    assert.is_true(marks["armed 1 %MSO> " .. lines[2]])
    assert.is_true(marks["Which file?: " .. lines[6]])
    local checked
    status, checked = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, status, checked)
    local again
    status, again = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.are.equal(0, status, again)
    assert.are.same(meant, intensities(fixture.run_in(folder .. "/again")))
  end)

  it("is not starved by what is printed: a storm while it is armed, a text that nobody reads", function()
    shell.write(folder .. "/lines", table.concat({ "stim:arm()", "for i = 1, 400000 do print('line', i) end",
      "stim:fire(mp.pulse(mp.mso(40)))", "(('x'):rep(1000) .. 'é'):rep(30000)", "print(('y'):rep(1e6))",
      "stim:fire(mp.pulse(mp.mso(41)))" }, "\n") .. "\n")
    local status, out, err = shell.moonpulse(folder, ("repl --seed 5 --tolerance 5000 --answers %s/lines "
      .. "--out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local run = fixture.run_in(folder .. "/runs")
    assert.are.equal(2, count_pulses(run))
    has(out, "line\t400000\n")
    local shown = out:match "\n(x+[^\n]*) %.%.%. %(30,060,000 bytes%)\n"
    assert.is_true(shown ~= nil and utf8.len(shown) ~= nil and #shown <= 10000 and #shown > 9000)
    assert.matches(("y"):rep(10000) .. " ... (1,000,000 bytes)", out, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
  end)

  it("takes lines from a pipe, and its end as quit", function()
    local status, said = shell.sh(folder, ("printf 'stim:arm()\\nstim:fire(mp.pulse(mp.mso(44)))\\nf(\\n' "
      .. "| %s repl --out %s/runs"):format(shell.absolute, folder))
    assert.are.equal(0, status, said)
    has(said, "prompt:3: unexpected symbol near <eof> (given up)\n")
    local run = fixture.run_in(folder .. "/runs")
    assert.are.equal(1, count_pulses(run))
    assert.is_true(fixture.manifest(run).result.disarmed)
    local checked
    status, checked = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(0, status, checked)
    local again
    status, again = shell.moonpulse(folder, ("rerun %s --speed max --out %s/again"):format(run, folder))
    assert.are.equal(0, status, again)
  end)

  it("ends as a script does: a fault, a stop that was asked for, os.exit", function()
    local status, said, run = typed({ "stim:arm()", "stim:fire(mp.pulse(mp.mso(30)))",
      "stim:fire(mp.pulse(mp.mso(30)))", "1 + 1" }, "--fault over-temperature@2")
    assert.are.equal(4, status, said)
    assert.is_nil(said:find("\n2\n", 1, true), said)
    assert.are.equal("device", fixture.manifest(run).result.stop)
    shell.remove(folder .. "/runs")
    status, said = typed { "stim:arm()", "run:stop()", "1 + 1", "stim:arm()", "stim:armed()" }
    assert.are.equal(0, status, said)
    has(said, "moonpulse> 1 + 1\n2\n")
    shell.remove(folder .. "/runs")
    status, said = typed { "stim:arm()", "os.exit(3)", "1 + 1" }
    assert.are.equal(5, status, said)
    assert.is_nil(said:find("\n2\n", 1, true), said)
  end)

  it("is opened by a script of one's own, which gives it names", function()
    shell.write(folder .. "/mine.lua", [[
      local mp = require "moonpulse"
      local secret = 1
      return mp.experiment(function(run)
        run:device():arm()
        run:prompt { gain = 3 }
        run:note("after " .. secret)
      end)
    ]])
    shell.write(folder .. "/lines", "gain * 2\nsecret\nquit\n")
    local command = ("run %s/mine.lua --speed max --answers %s/lines --out %s/runs"):format(folder, folder,
      folder)
    local status, out, err = shell.moonpulse(folder, command)
    assert.are.equal(0, status, err)
    has(out, "armed 1 %MSO> gain * 2\n6\n")
    has(out, "prompt:2: secret is not known")
    has(out, "after 1")
    status, out, err = shell.moonpulse(folder, ("show %s/mine.lua --answers %s/lines"):format(folder, folder))
    assert.are.equal(0, status, out .. err)
    shell.write(folder .. "/lines", "os.execute 'touch " .. folder .. "/harm'\n")
    shell.moonpulse(folder, ("show %s/mine.lua --answers %s/lines"):format(folder, folder))
    assert.is_nil(shell.read(folder .. "/harm"))
    status, out, err = shell.moonpulse(folder, command)
    assert.are.equal(0, status, out .. err)
    assert.is_not_nil(shell.read(folder .. "/harm"))
  end)
end)
