-- Says which generation of the plugin list there is, or raises it.
--
-- KEYS[1]  the generation
-- ARGV[1]  '1' where it is raised
return generation(KEYS[1], ARGV[1] == '1')
