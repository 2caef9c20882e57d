-- What README.md and docs/ tell people to type works as it stands there: each command line is run in a folder
-- that has the files that the pages make, simulated and without waiting. Ports are replaced by one that there
-- is not: such a line must come as far as opening it, so that all its other words are known.
local lfs = require "lfs"
local shell = require "shell"

local pages = { "README.md" }
for name in lfs.dir("docs") do
  if name:match("%.md$") then
    pages[#pages + 1] = "docs/" .. name
  end
end
table.sort(pages)

--- The lines of a page's blocks that are commands, without their comments; "\" continues one.
local function commands_of(text)
  local list = {}
  for block in (text:gsub("\\\n%s*", "")):gmatch("[^\n]+") do
    local line = block:match("^    %$?%s*([A-Z_]*=?[^%s]*%s?moonpulse [a-z].*)$")
    if line and (line:match("^moonpulse") or line:match("^[A-Z_]+=%S+ moonpulse")) then
      list[#list + 1] = line:gsub("%s+#.*$", "")
    end
  end
  return list
end

--- Commands in the running text: those that have options and no word that stands for another.
local function inline_of(text)
  local list = {}
  for span in text:gmatch("`(moonpulse [a-z][^`\n]*)`") do
    local stands_for = span:gsub('".-"', ""):gsub("[%w_]+=%S+", "")
    local is_whole = span:find("^moonpulse %l+ [^-]") and not stands_for:find("%u%u")
      and not span:find("key=value", 1, true) and not span:find("...", 1, true)
    if is_whole and (span:find(" %-") or span:find("=")) then
      list[#list + 1] = span
    end
  end
  return list
end

--- A file that a page shows: from its first line to the bracket that closes it.
local function file_in(page, first)
  local lines = {}
  for line in io.lines(page) do
    if #lines > 0 or line == "    " .. first then
      lines[#lines + 1] = line:gsub("^    ", "")
      if line == "    }" or line == "    end)" then
        return table.concat(lines, "\n") .. "\n"
      end
    end
  end
  error(page .. " shows no file that begins with " .. first)
end

--- Another file that a page shows: as far as it is indented.
local function block_in(page, first)
  local text = assert(shell.read(page))
  local block = assert((text .. "\n"):match("\n(    " .. first:gsub("%p", "%%%0") .. "\n.-\n)\n"), first)
  return (block:gsub("    ([^\n]*)\n", "%1\n"))
end

describe("the pages' command lines", function()
  local folder

  setup(function()
    folder = shell.folder()
    lfs.mkdir(folder .. "/drivers")
    shell.write(folder .. "/mine.lua", file_in("README.md", 'local mp = require "moonpulse"'))
    shell.write(folder .. "/saint_course.lua", file_in("docs/runs.md", 'local mp = require "moonpulse"'))
    local script = file_in("docs/experiments.md", "-- threshold.lua")
    shell.write(folder .. "/threshold.lua", (script:gsub("uniform%(5, 7%)", "uniform(0.05, 0.07)")))
    shell.write(folder .. "/hunt.lua", file_in("docs/experiments.md", "-- hunt.lua"))
    shell.write(folder .. "/curve.lua", file_in("docs/experiments.md", "-- curve.lua"))
    shell.write(folder .. "/amplitudes.txt", ("30\n900\n250\n1400\n"):rep(20))
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(50))
    shell.write(folder .. "/locked.lua", file_in("docs/experiments.md",
      "-- locked.lua: a pulse 0.1 s after the EEG's byte, five times"))
    shell.write(folder .. "/at_trough.lua", file_in("docs/closed-loop.md",
      "-- at_trough.lua: 20 pulses at the trough of the alpha or mu rhythm, never closer than 2 s"))
    shell.write(folder .. "/triggered.lua", file_in("docs/triggers.md",
      "-- triggered.lua: a pulse at each byte 5, at most 20 of them, never closer than 4 s"))
    shell.write(folder .. "/lined.lua", file_in("docs/triggers.md",
      "-- lined.lua: a pulse at each rising edge of CTS, never closer than 4 s"))
    shell.write(folder .. "/watched.lua", file_in("docs/triggers.md",
      "-- watched.lua: an external device fires, at most 10 pulses, never closer than 2 s, for a minute"))
    shell.write(folder .. "/fired.txt", block_in("docs/triggers.md",
      "# seconds from the run's start: the stimulator is fired over its own trigger input"))
    shell.write(folder .. "/sides.lua", file_in("docs/several-devices.md", "-- sides.lua"))
    shell.write(folder .. "/coded.lua", file_in("docs/codes.md",
      "-- coded.lua: 2 for each single pulse, 12 for each pair, 100 where the block begins"))
    shell.write(folder .. "/scripted.lua", file_in("docs/codes.md",
      "-- scripted.lua: 10 when the trial begins, 11 with the pulse, 19 in a catch trial"))
    shell.write(folder .. "/bytes.txt", block_in("docs/triggers.md",
      "# seconds from the run's start, where, which"))
    shell.write(folder .. "/edges.txt", block_in("docs/triggers.md",
      "# seconds from the run's start, the line, its edge"))
    shell.write(folder .. "/lines.txt", block_in("docs/repl.md", "-- lines.txt"))
    shell.write(folder .. "/eeg.txt", block_in("docs/experiments.md",
      "# seconds from the run's start, where, what"))
  end)

  --- RUN and the key "lab" of docs/verify.md.
  setup(function()
    assert.are.equal(0, (shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -f %s/lab"):format(folder))))
    assert.are.equal(0, (shell.moonpulse(folder, ("run itbs600 --amt 50 --speed max --sign %s/lab "
      .. "--out %s/made"):format(folder, folder))))
    assert(os.rename(folder .. "/made/" .. shell.names(folder .. "/made")[1], folder .. "/run"))
    assert.are.equal(4, (shell.moonpulse(folder, ("run itbs600 --amt 50 --speed max --fault unplug@100 "
      .. "--out %s/broken"):format(folder))))
    local sim = shell.start(folder, "sim", ("sim magventure --fault unplug@3 --link %s/stim3"):format(folder))
    sim:says "simulated "
    assert.are.equal(4, (shell.moonpulse(folder, ("run itbs600 --amt 50 --tolerance 5000 --device magventure "
      .. "--port %s/stim3 --out %s/broken_port"):format(folder, folder))))
    sim:kill()
  end)

  teardown(function() shell.remove(folder) end)

  --- As it is typed there, but simulated, without waiting and with a port that there is not.
  local function adapted(line)
    if line:find("moonpulse resume", 1, true) then -- a run that broke off, which nobody has resumed yet
      local copy = ("%s/resumed/%d"):format(folder, #shell.names(folder .. "/resumed"))
      assert(os.execute(("mkdir -p %s/resumed && cp -r %s/broken%s %s"):format(folder, folder,
        line:find("--port", 1, true) and "_port" or "", copy)))
      line = line:gsub("RUN", ("%s/%s"):format(copy, shell.names(copy)[1]))
    end
    line = line:gsub("/dev/tty(%w+)", folder .. "/no-port-%1"):gsub("/tmp/stim", folder .. "/stim")
      :gsub("%-%-latency 10", "--latency 1"):gsub("%s*|.*$", "")
      :gsub("%f[%w]RUN_?[AB]?%.*%f[%s\0]", folder .. "/run")
    if line:find("moonpulse run .*%-%-lsl") then -- in real time, and over soon
      line = line:gsub("itbs600", "ctbs600 -p bursts=4") .. " --tolerance 10000"
    elseif line:find("moonpulse run ", 1, true) then
      local in_real_time = line:find("threshold.lua", 1, true)
      local speed = line:find("no-port", 1, true) and "" or " --speed max"
      line = line .. (line:find(" --speed ", 1, true) and "" or in_real_time and " --tolerance 1000" or speed)
    elseif line:find("moonpulse sim ", 1, true) then
      line = line .. " --until-eof"
    elseif line:find("moonpulse explore", 1, true) and not line:find("--invariants", 1, true) then
      line = line:gsub("%-%-hours %d+", ""):gsub("%-%-runs %d+", "")
      line = line .. (line:find("%-%-seed %d+$") and "" or " --runs 4") -- a few of as many
    end
    return line
  end

  --- What other terminals type while a run goes on: there is one, and it is stopped a little later.
  local function beside_a_run(line)
    local begin = "moonpulse run itbs600 --amt 50 --tolerance 10000 --events --out driven >/dev/null 2>&1 &"
    return begin .. " until moonpulse ctl status 2>&1 | grep -q armed; do sleep 0.1; done; "
      .. "{ sleep 2; moonpulse ctl stop; } >/dev/null 2>&1 & " .. line
      .. "; is=$?; moonpulse ctl stop; wait; exit $is"
  end

  local function run(line)
    local program = shell.absolute
    local bin = shell.quote(program:match("^(.*)/"))
    if line:find("^moonpulse ctl ") then
      return shell.sh(folder, ("cd %s && export PATH=%s:$PATH; %s"):format(shell.quote(folder), bin,
        beside_a_run(line)))
    end
    if line:find("--lsl-wait", 1, true) then
      os.execute(("python3 tests/helpers/lsl_reader.py receive %s %s/received 2>/dev/null &"):format(
        line:match "%-%-lsl (%S+)", shell.quote(folder)))
    end
    local input = line:find("moonpulse run ", 1, true) and "cat answers.txt" or ":" -- a pipe
    return shell.sh(folder, ("cd %s && export HOME=%s PATH=%s:$PATH; %s | %s"):format(shell.quote(folder),
      shell.quote(folder), bin, input, adapted(line)))
  end

  --- Is that how such a line ends?
  local function check(page, line)
    local status, out, err = run(line)
    local said = ("%s: %s\nstatus %s: %s"):format(page, line, status, err)
    if line:find("/dev/tty", 1, true) and not line:find("doctor", 1, true) then
      assert.is_true(status ~= 0 and status ~= 2, said)
      assert.is_truthy(err:find("no-port", 1, true), said)
    elseif line:find("moonpulse doctor", 1, true) then -- what this host is, and 4 where it is fit for nothing
      assert.is_true(status == 0 or status == 4, said)
      assert.is_truthy(out:find("%S"), said)
    elseif line:find("moonpulse diff", 1, true) then -- 1: it differs
      assert.is_true(status == 0 or status == 1, said)
    elseif line:find("moonpulse check", 1, true) then
      assert.is_true(status == 0 or status == 3, said)
    else
      assert.are.equal(line:find("--fault half-open", 1, true) and 4 or 0, status, said)
    end
  end

  it("of a driver of one's own work, in their order", function()
    local count = 0
    for _, line in ipairs(commands_of(shell.read("docs/drivers.md"))) do
      check("docs/drivers.md", line)
      os.execute(("cp %s/mybox*.lua %s/drivers/"):format(shell.quote(folder), shell.quote(folder)))
      count = count + 1
    end
    assert.is_true(count >= 9, tostring(count))
  end)

  it("work", function()
    local count = 0
    for _, page in ipairs(pages) do
      if page ~= "docs/drivers.md" and page ~= "docs/performance.md" then -- that one takes minutes
        for _, line in ipairs(commands_of(shell.read(page))) do
          check(page, line)
          count = count + 1
        end
      end
    end
    assert.is_true(count >= 28, tostring(count))
  end)

  it("work where they stand in a sentence", function()
    local count = 0
    for _, page in ipairs(pages) do
      for _, line in ipairs(page ~= "docs/performance.md" and inline_of(shell.read(page)) or {}) do
        check(page, line)
        count = count + 1
      end
    end
    assert.is_true(count >= 5, tostring(count))
  end)

  it("and the shortest change of intensity that docs/magventure.md gives is the check's", function()
    local plan = [[local mp = require "moonpulse"
      return mp.pulse(mp.mso(50)) .. mp.rest(mp.ms(%s)) .. mp.pulse(mp.mso(60))]]
    local said = assert(shell.read("docs/magventure.md"):match("changes of intensity | ([%d.]+) ms apart"))
    for change, status in pairs { [0] = 0, [-0.1] = 3 } do
      shell.write(folder .. "/change.lua", plan:format(said + change))
      assert.are.equal(status, (run("moonpulse check change.lua --timing host")))
    end
  end)

  it("and their text name no option that there is not", function()
    local known, commands = {}, {}
    local _, help = run("moonpulse --help")
    for name in help:gmatch("\n   (%l+)  ") do
      commands[#commands + 1] = name
    end
    assert.is_true(#commands >= 15)
    for _, name in ipairs(commands) do
      local _, text = run(("moonpulse %s --help"):format(name))
      for option in text:gmatch("%-%-[%l%-]+") do
        known[option] = true
      end
    end
    local foreign = { ["--help"] = true, ["--version"] = true }
    for _, page in ipairs(pages) do
      local text = shell.read(page)
      for span in text:gmatch("`([^`\n]+)`") do
        for option in (" " .. span):gmatch("%s(%-%-%l[%l%-]+)") do
          assert.is_true(known[option] or foreign[option] or false, page .. ": " .. option .. " in " .. span)
        end
      end
    end
  end)
end)
